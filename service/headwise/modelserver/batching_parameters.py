"""TensorFlow Serving's batching parameters file."""

import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

from headwise.errors import ConfigurationError

_FIELDS = {
    "max_batch_size": "Int64Value",
    "batch_timeout_micros": "Int64Value",
    "max_enqueued_batches": "Int64Value",
    "num_batch_threads": "Int64Value",
    "allowed_batch_sizes": "int64",
    "max_execution_batch_size": "Int64Value",
    "enable_large_batch_splitting": "BoolValue",
    "pad_variable_length_inputs": "bool",
    "thread_pool_name": "StringValue",
}


@dataclass(frozen=True)
class BatchingParameters:
    """How calls are batched; the defaults are TensorFlow Serving's.

    `input_limit` bounds one call's rows, `execution_limit` the rows of one run: they differ where large calls
    are split. `allowed_sizes`, ascending, are the sizes that a batch is padded to.
    """

    input_limit: int = 1000
    execution_limit: int = 1000
    timeout_s: float = 0.0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    allowed_sizes: tuple[int, ...] = ()

    def padded(self, rows: int) -> int:
        """Return the smallest allowed size that holds `rows`."""
        return next((size for size in self.allowed_sizes if size >= rows), rows)


def choose(enabled: bool, path: Path | None) -> BatchingParameters | None:
    """Batch as the file says, by the defaults where only the switch is given, or not at all."""
    if path is not None:
        return read_batching_parameters(path)
    return BatchingParameters() if enabled else None


def read_batching_parameters(path: Path) -> BatchingParameters:
    """Read the file in protobuf's text format; raises ConfigurationError naming the file and the reason."""
    try:
        return _parse(text_format.Parse(path.read_text("utf-8"), _MESSAGE()))
    except (OSError, UnicodeDecodeError, text_format.ParseError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _parse(message: Any) -> BatchingParameters:
    """Check the message and fill in what it leaves out; raises ValueError with the reason."""
    if message.pad_variable_length_inputs:
        raise ValueError(
            "pad_variable_length_inputs is not supported: calls of different shapes are batched apart here, "
            "so leave it out"
        )
    default = BatchingParameters()
    input_limit = _value(message, "max_batch_size", default.input_limit)
    splitting = message.enable_large_batch_splitting.value
    execution_limit = _value(message, "max_execution_batch_size", input_limit) if splitting else input_limit
    allowed = tuple(message.allowed_batch_sizes)
    if any(a >= b for a, b in itertools.pairwise(allowed)):
        raise ValueError(f"allowed_batch_sizes must ascend, not {list(allowed)}")
    if allowed and allowed[-1] != execution_limit:
        raise ValueError(
            f"the last of allowed_batch_sizes must be the largest batch, {execution_limit}, not {allowed[-1]}"
        )
    return BatchingParameters(
        input_limit=input_limit,
        execution_limit=min(execution_limit, input_limit),
        timeout_s=_value(message, "batch_timeout_micros", 0, least=0) / 1e6,
        max_enqueued_batches=_value(message, "max_enqueued_batches", default.max_enqueued_batches),
        num_batch_threads=_value(message, "num_batch_threads", default.num_batch_threads),
        allowed_sizes=allowed,
    )


def _value(message: Any, name: str, default: int, least: int = 1) -> int:
    value = int(getattr(message, name).value) if message.HasField(name) else default
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
    return value


def _declare_message() -> Any:
    """Declare BatchingParameters anew: the official package has no session_bundle_config.proto.

    In text format only names and types count, so the field numbers here are free.
    """
    kind = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="batching_parameters.proto", syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    declared = file.message_type.add(name="BatchingParameters")
    for number, (name, type_name) in enumerate(_FIELDS.items(), start=1):
        added = declared.field.add(name=name, number=number, label=kind.LABEL_OPTIONAL)
        if type_name.endswith("Value"):
            added.type, added.type_name = kind.TYPE_MESSAGE, f".google.protobuf.{type_name}"
        else:
            added.type = kind.TYPE_BOOL if type_name == "bool" else kind.TYPE_INT64
        if name == "allowed_batch_sizes":
            added.label = kind.LABEL_REPEATED
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("BatchingParameters"))


_MESSAGE = _declare_message()
