"""headwise.v1 messages to the gateway's values and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.backends.base import Arrays
from headwise.errors import InvalidRequestError, InvalidTensorError
from headwise.gateway import Classification, HeadAnswer, RequestOptions
from headwise.repository.model_spec import ModelSpec
from headwise.savedmodel.signature import DEFAULT_SIGNATURE, NUMPY_DTYPES
from headwise.v1 import classification_service_pb2 as v1

_TYPES: Mapping[int, tuple[str, str]] = {
    v1.DATA_TYPE_BOOL: ("bool", "bool_values"),
    v1.DATA_TYPE_INT8: ("int8", "int_values"),
    v1.DATA_TYPE_INT16: ("int16", "int_values"),
    v1.DATA_TYPE_INT32: ("int32", "int_values"),
    v1.DATA_TYPE_INT64: ("int64", "int_values"),
    v1.DATA_TYPE_UINT8: ("uint8", "uint_values"),
    v1.DATA_TYPE_UINT16: ("uint16", "uint_values"),
    v1.DATA_TYPE_UINT32: ("uint32", "uint_values"),
    v1.DATA_TYPE_UINT64: ("uint64", "uint_values"),
    v1.DATA_TYPE_FLOAT16: ("float16", ""),
    v1.DATA_TYPE_FLOAT32: ("float32", "float_values"),
    v1.DATA_TYPE_FLOAT64: ("float64", "double_values"),
    v1.DATA_TYPE_STRING: ("string", "string_values"),
}
"""Type to the name of its dtype and its typed field; FLOAT16 travels as content only."""

_NUMBERS = {dtype: number for number, (dtype, _) in _TYPES.items()}


def model_spec(proto: v1.ModelSpec) -> ModelSpec:
    """Which model a request means.

    Raises: InvalidRequestError if it names none.
    """
    if not proto.name:
        raise InvalidRequestError("model.name is empty: name the model")
    choice = proto.WhichOneof("version_choice")
    return ModelSpec(
        proto.name,
        proto.version if choice == "version" else None,
        proto.version_label if choice == "version_label" else None,
        proto.signature_name or DEFAULT_SIGNATURE,
    )


def request_options(proto: v1.ClassifyOptions) -> RequestOptions:
    """The options of a request.

    Raises: InvalidRequestError if both kinds of threshold are given.
    """
    by_head = {name: _threshold(value) for name, value in proto.head_thresholds.items()}
    if by_head and proto.HasField("threshold"):
        raise InvalidRequestError("options.threshold and options.head_thresholds are both given: send one of them")
    single = _threshold(proto.threshold) if proto.HasField("threshold") else None
    return RequestOptions(by_head or single, proto.top_k if proto.HasField("top_k") else None)


def _threshold(proto: v1.Threshold) -> float | str:
    return proto.name if proto.WhichOneof("choice") == "name" else proto.value


def arrays(inputs: Mapping[str, v1.Tensor]) -> Arrays:
    """The arrays of a request.

    Raises: InvalidTensorError naming the input.
    """
    return {name: _array(name, tensor) for name, tensor in inputs.items()}


def _array(name: str, tensor: v1.Tensor) -> NDArray[Any]:
    if tensor.data_type not in _TYPES:
        raise InvalidTensorError(f"input {name!r} has no known data_type")
    dtype_name, field = _TYPES[tensor.data_type]
    dtype, shape = NUMPY_DTYPES[dtype_name], tuple(tensor.shape)
    if any(size < 0 for size in shape):
        raise InvalidTensorError(f"input {name!r} has the shape {shape}: sizes cannot be negative")
    if tensor.content:
        if field and getattr(tensor, field):
            raise InvalidTensorError(f"input {name!r} has both content and {field}: send one of them")
        if dtype.kind == "O" or len(tensor.content) % dtype.itemsize:
            raise InvalidTensorError(f"input {name!r}: {len(tensor.content)} bytes of content are no {dtype_name}")
        flat = np.frombuffer(tensor.content, dtype.newbyteorder("<")).astype(dtype, copy=False)
    else:
        flat = _from_field(name, getattr(tensor, field) if field else [], dtype)
    if len(flat) != math.prod(shape):
        raise InvalidTensorError(
            f"input {name!r} holds {len(flat)} elements: the shape {shape} takes {math.prod(shape)}"
        )
    try:
        return flat.reshape(shape)
    except ValueError as error:
        raise InvalidTensorError(f"input {name!r} cannot have the shape {shape}: {error}") from error


def _from_field(name: str, values: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "O":
        texts = np.empty(len(values), dtype=object)
        texts[:] = list(values)
        return texts
    if dtype.kind in "iu" and len(values):
        limits = np.iinfo(dtype)
        if min(values) < limits.min or max(values) > limits.max:
            raise InvalidTensorError(f"input {name!r} holds {min(values)} to {max(values)}: {dtype} cannot")
    return np.array(values, dtype=dtype)


def classification(answer: Classification, request_id: str, include: frozenset[int]) -> v1.ClassifyResponse:
    """The response of Classify."""
    return v1.ClassifyResponse(
        request_id=request_id,
        model_name=answer.model.name,
        model_version=answer.model.version,
        heads={name: _head(head, answer, include) for name, head in answer.heads.items()},
        warnings=[v1.Warning(head=told.head, code=told.code, message=told.message) for told in answer.warnings],
    )


def _head(answer: HeadAnswer, of: Classification, include: frozenset[int]) -> v1.HeadAnswer:
    prediction, head = answer.prediction, answer.head
    shape = answer.shape
    proto = v1.HeadAnswer(task=head.task, classes=head.labels, shape=shape)
    for field, values in (
        (proto.indices, prediction.indices),
        (proto.decisions, prediction.decisions),
        (proto.values, prediction.values),
        (proto.margins, prediction.margins),
        (proto.top_indices, prediction.top),
    ):
        if values is not None:
            field.extend(values.ravel().tolist())
    if prediction.indices is not None:
        proto.labels.extend(head.labels[i] for i in prediction.indices.ravel().tolist())
    if prediction.top is not None:
        proto.top_count = prediction.top.shape[-1]
    if prediction.probabilities is not None and (not include or v1.INCLUDE_PROBABILITIES in include):
        proto.probabilities.extend(prediction.probabilities.ravel().tolist())
    if v1.INCLUDE_RAW in include:
        proto.raw.CopyFrom(_tensor(answer.raw))
    if v1.INCLUDE_PROVENANCE in include:
        proto.provenance.CopyFrom(_provenance(answer, of))
    return proto


def _tensor(array: NDArray[Any]) -> v1.Tensor:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return v1.Tensor(
        data_type=v1.DataType.Name(_NUMBERS[array.dtype.name]), shape=array.shape, content=little.tobytes()
    )


def _provenance(answer: HeadAnswer, of: Classification) -> v1.Provenance:
    head, applied = answer.head, answer.prediction.applied
    return v1.Provenance(
        activation=head.activation,
        calibration=head.calibration.method if head.calibration else "identity",
        decision_rule=applied.rule or "",
        decision_source=applied.source,
        cuts=applied.cuts or (),
        threshold_name=applied.name or "",
        card_digest=of.model.card.digest if of.model.card else "",
        saturated=answer.prediction.observations.saturated,
    )
