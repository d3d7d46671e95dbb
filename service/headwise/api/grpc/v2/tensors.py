"""Tensors of ModelInfer: typed contents or raw bytes to arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.api.shapes import elements, reshaped
from headwise.api.v2.datatypes import datatype_of, dtype_of, from_bytes, to_bytes
from headwise.errors import InvalidRequestError, InvalidTensorError
from headwise.savedmodel.signature import NUMPY_DTYPES
from headwise.v2 import open_inference_pb2 as v2

_FIELDS: Mapping[str, str] = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""The typed field of each datatype; FP16 has none and travels raw."""


def arrays(request: v2.ModelInferRequest) -> list[tuple[str, NDArray[Any]]]:
    """Named arrays, in the order of the request.

    Raises: InvalidRequestError, InvalidTensorError naming the input.
    """
    raw = request.raw_input_contents
    if not raw:
        return [(tensor.name, _typed(tensor)) for tensor in request.inputs]
    if len(raw) != len(request.inputs):
        raise InvalidRequestError(
            f"raw_input_contents has {len(raw)} entries for {len(request.inputs)} inputs: send one each, or contents"
        )
    if typed := [tensor.name for tensor in request.inputs if tensor.HasField("contents")]:
        raise InvalidRequestError(f"input {typed[0]!r} has contents beside raw_input_contents: send one of them")
    return [
        (tensor.name, from_bytes(f"input {tensor.name!r}", tensor.datatype, tensor.shape, data))
        for tensor, data in zip(request.inputs, raw, strict=True)
    ]


def _typed(tensor: v2.ModelInferRequest.InferInputTensor) -> NDArray[Any]:
    place = f"input {tensor.name!r}"
    dtype = NUMPY_DTYPES[dtype_of(place, tensor.datatype)]
    field = _FIELDS.get(tensor.datatype)
    if field is None:
        raise InvalidTensorError(f"{place} is {tensor.datatype}, which has no typed contents: send raw_input_contents")
    filled = [of.name for of, _ in tensor.contents.ListFields()]
    if set(filled) - {field}:
        raise InvalidTensorError(f"{place} is {tensor.datatype} and has {', '.join(filled)}: {field} is expected")
    return reshaped(place, elements(place, getattr(tensor.contents, field), dtype), tensor.shape)


def fill(response: v2.ModelInferResponse, outputs: Mapping[str, NDArray[Any]], *, raw: bool) -> None:
    """Write the outputs: raw bytes, or typed contents (FP16 as FP32, which has none of its own)."""
    for name, array in outputs.items():
        told = array.astype(np.float32) if array.dtype == np.float16 and not raw else array
        datatype = datatype_of(name, told)
        tensor = response.outputs.add(name=name, datatype=datatype, shape=told.shape)
        if raw:
            response.raw_output_contents.append(to_bytes(told))
        else:
            getattr(tensor.contents, _FIELDS[datatype]).extend(told.ravel().tolist())


def parameters(proto: Mapping[str, v2.InferParameter]) -> dict[str, Any]:
    """Parameters as plain values."""
    return {name: _plain(value) for name, value in proto.items()}


def _plain(value: v2.InferParameter) -> Any:
    choice = value.WhichOneof("parameter_choice")
    return None if choice is None else getattr(value, choice)


def described(tensors: Sequence[Any]) -> list[v2.ModelMetadataResponse.TensorMetadata]:
    """Metadata of tensors."""
    return [
        v2.ModelMetadataResponse.TensorMetadata(name=one.name, datatype=one.datatype, shape=one.shape)
        for one in tensors
    ]
