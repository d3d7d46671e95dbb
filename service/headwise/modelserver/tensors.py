"""TensorProto to numpy and back, as lenient as TensorFlow is.

A typed field that is too short repeats its last value, an empty one means zeros, a long one is cut, and a
non-empty `tensor_content` wins and must fit exactly.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import grpc
import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike, NDArray
from tensorflow.core.framework import tensor_pb2, types_pb2

from headwise.modelserver.status import StatusError

Array = NDArray[Any]

_MOST_DIMENSIONS = 254
_MOST_ELEMENTS = (1 << 63) - 1


@dataclass(frozen=True)
class Encoding:
    """How one dtype travels: its typed field, that field's elements, the bits that an element keeps."""

    field: str
    element: DTypeLike
    dtype: np.dtype[Any]
    bits: DTypeLike


def _encoding(field: str, element: DTypeLike, dtype: DTypeLike, bits: DTypeLike | None = None) -> Encoding:
    return Encoding(field, element, np.dtype(dtype), dtype if bits is None else bits)


_ENCODINGS: dict[int, Encoding] = {
    types_pb2.DT_FLOAT: _encoding("float_val", np.float32, np.float32),
    types_pb2.DT_DOUBLE: _encoding("double_val", np.float64, np.float64),
    types_pb2.DT_INT8: _encoding("int_val", np.int32, np.int8),
    types_pb2.DT_INT16: _encoding("int_val", np.int32, np.int16),
    types_pb2.DT_INT32: _encoding("int_val", np.int32, np.int32),
    types_pb2.DT_INT64: _encoding("int64_val", np.int64, np.int64),
    types_pb2.DT_UINT8: _encoding("int_val", np.int32, np.uint8),
    types_pb2.DT_UINT16: _encoding("int_val", np.int32, np.uint16),
    types_pb2.DT_UINT32: _encoding("uint32_val", np.uint32, np.uint32),
    types_pb2.DT_UINT64: _encoding("uint64_val", np.uint64, np.uint64),
    types_pb2.DT_BOOL: _encoding("bool_val", np.bool_, np.bool_),
    types_pb2.DT_HALF: _encoding("half_val", np.int32, np.float16, np.uint16),
    types_pb2.DT_BFLOAT16: _encoding("half_val", np.int32, ml_dtypes.bfloat16, np.uint16),
    types_pb2.DT_COMPLEX64: _encoding("scomplex_val", np.float32, np.complex64, np.float32),
    types_pb2.DT_COMPLEX128: _encoding("dcomplex_val", np.float64, np.complex128, np.float64),
    types_pb2.DT_STRING: _encoding("string_val", np.object_, np.object_),
}
_DATA_TYPES = {encoding.dtype: data_type for data_type, encoding in _ENCODINGS.items()}


def decode(proto: tensor_pb2.TensorProto) -> Array:
    """Read a tensor; strings become an object array of bytes.

    Raises ValueError if the dtype, the shape or the length of `tensor_content` makes no tensor.
    """
    encoding = _ENCODINGS.get(proto.dtype)
    if encoding is None:
        raise ValueError(f"dtype {proto.dtype} cannot be sent")
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    count = math.prod(shape)
    if len(shape) > _MOST_DIMENSIONS or min(shape, default=0) < 0 or count > _MOST_ELEMENTS:
        raise ValueError(f"shape {shape} makes no tensor")
    if proto.tensor_content:
        values = _from_content(proto.tensor_content, encoding.dtype, count)
    else:
        values = _fill(_from_field(getattr(proto, encoding.field), encoding), count)
    return values.reshape(shape)


def encode(array: Array, *, as_content: bool) -> tensor_pb2.TensorProto:
    """Write a tensor into its typed field, or into `tensor_content`; without elements it has neither."""
    data_type = _DATA_TYPES.get(array.dtype)
    if data_type is None:
        raise StatusError(grpc.StatusCode.UNIMPLEMENTED, f"A tensor of {array.dtype} cannot be sent")
    proto = tensor_pb2.TensorProto(dtype=data_type)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    flat = np.ascontiguousarray(array).reshape(-1)
    if as_content:
        proto.tensor_content = _to_content(flat)
    else:
        encoding = _ENCODINGS[data_type]
        getattr(proto, encoding.field).extend(flat.view(encoding.bits).tolist())
    return proto


def data_type_name(array: Array) -> str:
    """Name an array's dtype as TensorFlow does: `DT_FLOAT`."""
    return str(types_pb2.DataType.Name(_DATA_TYPES[array.dtype]))


def _from_field(field: Any, encoding: Encoding) -> Array:
    if encoding.dtype.kind == "O":
        return _objects(list(field))
    values = np.array(field, dtype=encoding.element)
    if encoding.dtype.kind == "c":
        values = values[: len(values) // 2 * 2]
    return values.astype(encoding.bits, copy=False).view(encoding.dtype)


def _fill(values: Array, count: int) -> Array:
    if len(values) >= count:
        return values[:count]
    blank = b"" if values.dtype.kind == "O" else 0
    filled = np.full(count, values[-1] if len(values) else blank, values.dtype)
    filled[: len(values)] = values
    return filled


def _from_content(content: bytes, dtype: np.dtype[Any], count: int) -> Array:
    if dtype.kind == "O":
        return _objects(_split_strings(content, count))
    if len(content) != count * dtype.itemsize:
        raise ValueError(f"{len(content)} bytes of content for {count} elements of {dtype}")
    if dtype.kind == "b" and max(content) > 1:
        raise ValueError("a bool in tensor_content is neither 0 nor 1")
    return np.frombuffer(content, dtype)


def _to_content(flat: Array) -> bytes:
    """Raw little-endian elements; for strings the varint lengths of all, then their bytes."""
    if flat.dtype.kind == "O":
        return b"".join(itertools.chain((_varint(len(text)) for text in flat), flat))
    return flat.tobytes()


def _split_strings(content: bytes, count: int) -> list[bytes]:
    if count > len(content):
        raise ValueError(f"{len(content)} bytes of content for {count} strings")
    lengths, at = [], 0
    for _ in range(count):
        length, at = _read_varint(content, at)
        lengths.append(length)
    ends = list(itertools.accumulate(lengths, initial=at))
    if ends[-1] != len(content):
        raise ValueError(f"the strings in tensor_content end at {ends[-1]} of {len(content)} bytes")
    return [content[start:end] for start, end in itertools.pairwise(ends)]


def _objects(values: list[bytes]) -> Array:
    array = np.empty(len(values), np.object_)
    array[:] = values
    return array


def _read_varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(content):
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a string length in tensor_content is cut off")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
