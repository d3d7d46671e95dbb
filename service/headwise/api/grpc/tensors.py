"""Tensors of a request and of a raw output: messages to arrays and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.api.shapes import elements, reshaped
from headwise.backends.base import Arrays
from headwise.errors import InvalidTensorError
from headwise.savedmodel.signature import NUMPY_DTYPES
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


def arrays(inputs: Mapping[str, v1.Tensor]) -> Arrays:
    """The arrays of a request.

    Raises: InvalidTensorError naming the input.
    """
    return {name: _array(name, tensor) for name, tensor in inputs.items()}


def _array(name: str, tensor: v1.Tensor) -> NDArray[Any]:
    if tensor.data_type not in _TYPES:
        raise InvalidTensorError(f"input {name!r} has no known data_type")
    dtype_name, field = _TYPES[tensor.data_type]
    dtype = NUMPY_DTYPES[dtype_name]
    if tensor.content:
        if field and getattr(tensor, field):
            raise InvalidTensorError(f"input {name!r} has both content and {field}: send one of them")
        if dtype.kind == "O" or len(tensor.content) % dtype.itemsize:
            raise InvalidTensorError(f"input {name!r}: {len(tensor.content)} bytes of content are no {dtype_name}")
        flat = np.frombuffer(tensor.content, dtype.newbyteorder("<")).astype(dtype, copy=False)
    else:
        flat = elements(f"input {name!r}", getattr(tensor, field) if field else [], dtype)
    return reshaped(f"input {name!r}", flat, tensor.shape)


def tensor(array: NDArray[Any]) -> v1.Tensor:
    """An array in its own type."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return v1.Tensor(
        data_type=v1.DataType.Name(_NUMBERS[array.dtype.name]), shape=array.shape, content=little.tobytes()
    )
