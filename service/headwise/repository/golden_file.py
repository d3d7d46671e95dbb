"""Reads and writes golden records as TensorFlow Serving's warm-up records: one file warms it and proves a version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from headwise.diagnostics.golden import GoldenRecord
from headwise.errors import BackendProtocolError, UnreadableModelError
from headwise.repository.record_file import framed, read_records
from headwise.repository.replacement import replace_file
from headwise.savedmodel.signature import DEFAULT_SIGNATURE
from headwise.savedmodel.tensors import from_proto, to_proto
from headwise.tfserving import prediction_log_pb2, prediction_service_pb2

GOLDEN_PATH = Path("assets.extra") / "tf_serving_warmup_requests"

MOST_RECORDS = 1000
"""TensorFlow Serving loads no version that has more."""

MOST_BYTES = 256 * 2**20
"""Golden records of one version are kept in memory until they have been run."""

_DECIDED: Mapping[str, np.dtype[Any]] = {".indices": np.dtype(np.int64), ".decisions": np.dtype(np.bool_)}
"""What is appended to an output's name for the decision about it, and its dtype."""


def read_golden(version: Path, *, most_bytes: int = MOST_BYTES) -> tuple[GoldenRecord, ...]:
    """The golden records of a version folder; none where there is no file, or where it only warms up.

    A record without a response only warms up. So does one that another version answered, as a model server's
    request log has it: that answer says nothing of this version.

    Raises: UnreadableModelError for a file that cannot be read.
    """
    file = version / GOLDEN_PATH
    size, found = 0, []
    for number, (data, log) in enumerate(_logs(file), 1):
        if not _is_golden(log, version):
            continue
        size += len(data)
        if size > most_bytes:
            raise UnreadableModelError(f"{file}: its golden records exceed {most_bytes} bytes: keep fewer of them")
        try:
            found.append(_golden(log.predict_log))
        except BackendProtocolError as error:
            raise UnreadableModelError(f"{file}: record {number}: {error}") from error
    return tuple(found)


def write_golden(version: Path, records: Iterable[GoldenRecord], model_name: str) -> Path:
    """Write the records of a version folder in one step; returns the file's path.

    Its golden records are replaced. Records that only warm up stay, byte for byte, behind them. Where nothing is
    left to write there is no file.

    Raises: UnreadableModelError for a file that is there and cannot be read, OSError if it cannot be written,
    ValueError for more records than TensorFlow Serving takes, or an output that is named like a decision.
    """
    file = version / GOLDEN_PATH
    written = [_log(record, model_name).SerializeToString(deterministic=True) for record in records]
    kept = [data for data, log in _logs(file) if not _is_golden(log, version)]
    if len(written) + len(kept) > MOST_RECORDS:
        raise ValueError(
            f"{file}: {len(written)} golden records beside {len(kept)} that warm up: "
            f"TensorFlow Serving takes {MOST_RECORDS} in all"
        )
    if not written and not kept:
        file.unlink(missing_ok=True)
        return file
    replace_file(file, framed([*written, *kept]))
    return file


def _logs(file: Path) -> Iterable[tuple[bytes, prediction_log_pb2.PredictionLog]]:
    for number, data in enumerate(read_records(file, most=MOST_RECORDS, largest=MOST_BYTES), 1):
        try:
            yield data, prediction_log_pb2.PredictionLog.FromString(data)
        except DecodeError as error:
            raise UnreadableModelError(f"{file}: record {number} is no PredictionLog: {error}") from error


def _is_golden(log: prediction_log_pb2.PredictionLog, version: Path) -> bool:
    response = log.predict_log.response
    answered = response.model_spec
    return bool(response.outputs) and (not answered.HasField("version") or str(answered.version.value) == version.name)


def _golden(log: prediction_log_pb2.PredictLog) -> GoldenRecord:
    tensors = {name: from_proto(proto) for name, proto in sorted(log.response.outputs.items())}
    decided: dict[str, NDArray[Any]] = {}
    for name in tuple(tensors):
        output, dot, kind = name.rpartition(".")
        if output in tensors and _DECIDED.get(dot + kind) == tensors[name].dtype:
            decided[output] = tensors.pop(name)
    return GoldenRecord(
        log.request.model_spec.signature_name or DEFAULT_SIGNATURE,
        {name: from_proto(proto) for name, proto in sorted(log.request.inputs.items())},
        tensors,
        decided,
    )


def _log(record: GoldenRecord, model_name: str) -> prediction_log_pb2.PredictionLog:
    spec = prediction_service_pb2.ModelSpec(name=model_name, signature_name=record.signature_name)
    suffixes = {dtype: suffix for suffix, dtype in _DECIDED.items()}
    decided = {name + suffixes[array.dtype]: array for name, array in record.decided.items()}
    if taken := decided.keys() & record.outputs.keys():
        raise ValueError(f"the model has an output {min(taken)!r}, which is the name for a decision in golden records")
    expected = {**record.outputs, **decided}
    return prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(
            request=prediction_service_pb2.PredictRequest(
                model_spec=spec, inputs={name: to_proto(array) for name, array in record.inputs.items()}
            ),
            response=prediction_service_pb2.PredictResponse(
                model_spec=spec, outputs={name: to_proto(array) for name, array in expected.items()}
            ),
        )
    )
