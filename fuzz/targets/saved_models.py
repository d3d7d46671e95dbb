"""What lies in a model's folder: graphs that are walked, fingerprints, golden records; .keras archives."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

import json_mutator
import message_mutator
import recorded
from headwise.diagnostics.suggestion import suggest
from headwise.diagnostics.survey import of_keras
from headwise.repository.examination import examine
from headwise.repository.golden_file import GOLDEN_PATH, read_golden
from headwise.repository.record_file import framed
from headwise.savedmodel.keras import from_config, read_keras
from headwise.tfserving import prediction_log_pb2, prediction_service_pb2, saved_model_pb2
from support.recordings import MODELS

M = TypeVar("M", bound=Message)

WORDS = (
    *(
        b"serve",
        b"serving_default",
        b"StatefulPartitionedCall",
        b"PartitionedCall",
        b"Identity",
        b"IdentityN",
        b"MatMul",
    ),
    *(b"BiasAdd", b"AddV2", b"Sigmoid", b"Softmax", b"LogSoftmax", b"Tanh", b"ConcatV2", b"Pack", b"Reshape", b"Cast"),
    *(b"StridedSlice", b"Squeeze", b"Split", b"Const", b"ReadVariableOp", b"_output_shapes", b":0", b":output:0"),
    *(b'"class_name"', b'"config"', b'"layers"', b'"output_layers"', b'"inbound_nodes"', b'"keras_history"'),
    *(
        b'"Sequential"',
        b'"Functional"',
        b'"Dense"',
        b'"activation"',
        b'"__tuple__"',
        b'"compile_config"',
        b"PK\x03\x04",
    ),
)
_LONGEST_SEED = 64 * 1024


@cache
def _folder() -> Path:
    """A version folder in memory, if the system has such a place."""
    memory = Path("/dev/shm")
    made = tempfile.TemporaryDirectory(prefix="headwise-fuzz-", dir=memory if memory.is_dir() else None)
    _KEPT.append(made)
    folder = Path(made.name) / "1"
    (folder / GOLDEN_PATH.parent).mkdir(parents=True)
    return folder


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def read(data: bytes) -> None:
    """The first byte says what the others are."""
    WAYS[data[0] % len(WAYS) if data else 0](data[1:])


def _graph(data: bytes) -> None:
    folder = _folder()
    (folder / "saved_model.pb").write_bytes(data)
    found = examine(folder)
    if found.model is not None:
        suggest(folder, found.model)


def _fingerprint(data: bytes) -> None:
    (_folder() / "fingerprint.pb").write_bytes(data)
    _graph(_simplest())


def _golden(data: bytes) -> None:
    (_folder() / GOLDEN_PATH).write_bytes(framed(data.split(b"\x00record\x00")))
    read_golden(_folder())


def _records(data: bytes) -> None:
    (_folder() / GOLDEN_PATH).write_bytes(data)
    read_golden(_folder())


def _archive(data: bytes) -> None:
    file = _folder() / "model.keras"
    file.write_bytes(data)
    of_keras(read_keras(file))


def _config(data: bytes) -> None:
    config = json.loads(data) if _is_json(data) else None
    if isinstance(config, dict):
        of_keras(from_config(config))


WAYS: tuple[Callable[[bytes], None], ...] = (_graph, _config, _golden, _archive, _records, _fingerprint)


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


@cache
def _simplest() -> bytes:
    return (MODELS / "logit" / "1" / "saved_model.pb").read_bytes()


def seeds() -> Iterable[bytes]:
    """The recorded models, and a .keras file's configuration."""
    for file in sorted(MODELS.glob("*/1/*.pb")):
        if file.stat().st_size < _LONGEST_SEED:
            yield bytes((0 if file.name == "saved_model.pb" else 5,)) + file.read_bytes()
    config = (Path(__file__).parent / "keras_config.json").read_bytes()
    yield b"\x01" + config
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        opened.writestr("config.json", config)
    yield b"\x03" + archive.getvalue()
    requests = tuple(_readable(recorded.messages("Predict", "request"), prediction_service_pb2.PredictRequest))
    responses = _readable(recorded.messages("Predict", "response"), prediction_service_pb2.PredictResponse)
    for number, response in enumerate(responses):
        response.ClearField("model_spec")
        called = prediction_log_pb2.PredictLog(request=requests[number % len(requests)], response=response)
        log = prediction_log_pb2.PredictionLog(predict_log=called).SerializeToString()
        yield b"\x02" + log
        yield b"\x04" + framed([log])


def _readable(recorded_bytes: Iterable[bytes], kind: type[M]) -> Iterable[M]:
    """The messages: some of what was recorded is none, on purpose."""
    for data in recorded_bytes:
        with suppress(DecodeError):
            yield kind.FromString(data)


def mutated(data: bytes, random: Random) -> bytes | None:
    """Another graph, configuration or log."""
    match data[0] % len(WAYS) if data else 0:
        case 0:
            changed = message_mutator.mutated(saved_model_pb2.SavedModel, data[1:], random)
        case 1:
            changed = json_mutator.mutated(data[1:], random)
        case 2:
            changed = message_mutator.mutated(prediction_log_pb2.PredictionLog, data[1:], random)
        case _:
            changed = None
    return None if changed is None else data[:1] + changed
