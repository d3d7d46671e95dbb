"""V2's datatypes, and tensors as raw bytes: little-endian, row-major; BYTES as 4-byte lengths and contents."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.api.shapes import reshaped
from headwise.errors import InvalidTensorError, UnsupportedError
from headwise.savedmodel.signature import NUMPY_DTYPES

DTYPES: Mapping[str, str] = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "string",
}
"""Datatype to the name of our dtype."""

DATATYPES: Mapping[str, str] = {dtype: datatype for datatype, dtype in DTYPES.items()}

_LENGTH = struct.Struct("<I")


def dtype_of(place: str, datatype: object) -> str:
    """Our name of a datatype.

    Raises: InvalidTensorError.
    """
    if not isinstance(datatype, str) or datatype not in DTYPES:
        raise InvalidTensorError(f"{place} has the datatype {datatype!r}; known are {', '.join(DTYPES)}")
    return DTYPES[datatype]


def datatype_of(name: str, array: NDArray[Any]) -> str:
    """The datatype of an output.

    Raises: UnsupportedError for complex numbers.
    """
    dtype = "string" if array.dtype == object else array.dtype.name
    if dtype not in DATATYPES:
        raise UnsupportedError(f"output {name!r} is {dtype}, which V2 cannot carry")
    return DATATYPES[dtype]


def from_bytes(place: str, datatype: object, shape: Sequence[int], data: bytes | memoryview) -> NDArray[Any]:
    """A tensor from its raw bytes.

    Raises: InvalidTensorError.
    """
    dtype = NUMPY_DTYPES[dtype_of(place, datatype)]
    if dtype.kind == "O":
        texts = _split(place, data)
        array = np.empty(len(texts), object)
        array[:] = texts
    elif len(data) % dtype.itemsize:
        raise InvalidTensorError(f"{place}: {len(data)} bytes are no {datatype} of {dtype.itemsize} bytes each")
    elif dtype.kind == "b":
        array = np.frombuffer(data, np.uint8) != 0
    else:
        array = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype, copy=False)
    return reshaped(place, array, shape)


def to_bytes(array: NDArray[Any]) -> bytes:
    """A tensor's raw bytes."""
    if array.dtype == object:
        return b"".join(_LENGTH.pack(len(text)) + text for text in array.ravel().tolist())
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def _split(place: str, data: bytes | memoryview) -> list[bytes]:
    texts: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + _LENGTH.size
        end = start + (_LENGTH.unpack_from(data, at)[0] if start <= len(data) else 0)
        if end > len(data) or start > len(data):
            raise InvalidTensorError(f"{place}: the bytes end within element {len(texts)}")
        texts.append(bytes(data[start:end]))
        at = end
    return texts
