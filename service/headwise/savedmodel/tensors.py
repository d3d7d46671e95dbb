"""Arrays to TensorProto and back.

Arrays hold strings as objects of bytes. numpy has no bfloat16: it is read as float32 and never sent.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.errors import BackendProtocolError
from headwise.savedmodel.signature import NUMPY_DTYPES, dtype_name
from headwise.tfserving import tensor_pb2

_TYPED_FIELDS = {
    "bool": "bool_val",
    "int8": "int_val",
    "int16": "int_val",
    "int32": "int_val",
    "int64": "int64_val",
    "uint8": "int_val",
    "uint16": "int_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "float16": "half_val",
    "bfloat16": "half_val",
    "float32": "float_val",
    "float64": "double_val",
    "complex64": "scomplex_val",
    "complex128": "dcomplex_val",
    "string": "string_val",
}
_DATA_TYPES = {dtype_name(number): number for number in tensor_pb2.DataType.values()}
_MOST_AXES = 64
"""numpy's own limit."""
MOST_PLACES = 2**20
_MOST_SHIFT = 63
"""Of the bits of a length: each further byte would make it a number that takes longer to build than the last."""
_HALVES = frozenset({"float16", "bfloat16"})
_COMPLEX = {"complex64": np.float32, "complex128": np.float64}


def to_proto(array: NDArray[Any]) -> tensor_pb2.TensorProto:
    """Encode an array in its own dtype; numbers travel as packed little-endian content."""
    dtype = "string" if array.dtype == object else array.dtype.name
    proto = tensor_pb2.TensorProto(
        dtype=_DATA_TYPES[dtype],
        tensor_shape=tensor_pb2.TensorShapeProto(
            dim=[tensor_pb2.TensorShapeProto.Dim(size=size) for size in array.shape]
        ),
    )
    if dtype == "string":
        proto.string_val.extend(array.ravel().tolist())
    else:
        proto.tensor_content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return proto


def from_proto(proto: tensor_pb2.TensorProto) -> NDArray[Any]:
    """Decode a tensor in either encoding.

    Raises: BackendProtocolError if dtype, shape and content do not fit each other.
    """
    dtype = dtype_name(proto.dtype)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if dtype not in _TYPED_FIELDS or proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise BackendProtocolError(f"a tensor of {dtype} {shape} cannot be read")
    if len(shape) > _MOST_AXES:
        raise BackendProtocolError(f"a tensor of {dtype} has {len(shape)} axes: {_MOST_AXES} are the most")
    flat = _flat(proto, dtype)
    if len(flat) != math.prod(shape):
        raise BackendProtocolError(f"a tensor of {dtype} {shape} holds {len(flat)} elements")
    if is_vast(shape):
        raise BackendProtocolError(
            f"a tensor of {dtype} {shape} is empty, yet declares more than {MOST_PLACES} rows and positions"
        )
    return flat.reshape(shape)


def is_vast(shape: tuple[int, ...]) -> bool:
    """Whether an empty tensor has so many rows and positions that to go through them would take for ever.

    It costs nothing to send: its size is that of its shape alone.
    """
    return 0 in shape and math.prod(size for size in shape if size) > MOST_PLACES


def _flat(proto: tensor_pb2.TensorProto, dtype: str) -> NDArray[Any]:
    if dtype == "string":
        return _strings(proto)
    wire = np.dtype("<u2") if dtype == "bfloat16" else NUMPY_DTYPES[dtype].newbyteorder("<")
    if proto.tensor_content:
        if len(proto.tensor_content) % wire.itemsize:
            raise BackendProtocolError(f"{len(proto.tensor_content)} bytes are no whole number of {dtype}")
        flat = np.frombuffer(proto.tensor_content, wire)
    else:
        flat = _typed(getattr(proto, _TYPED_FIELDS[dtype]), dtype, wire)
    return _from_bfloat16(flat) if dtype == "bfloat16" else flat


def _typed(values: Any, dtype: str, wire: np.dtype[Any]) -> NDArray[Any]:
    """The values of a typed field; small integers and halves travel as int32."""
    if dtype in _COMPLEX:
        if len(values) % 2:
            raise BackendProtocolError(f"{len(values)} numbers are no whole number of {dtype}")
        return np.array(values, _COMPLEX[dtype]).view(wire)
    sent = np.array(values, np.int32) if _TYPED_FIELDS[dtype] in ("int_val", "half_val") else np.array(values, wire)
    held = sent.astype("<u2" if dtype in _HALVES else wire)
    if not np.array_equal(held, sent, equal_nan=dtype in ("float32", "float64")):
        raise BackendProtocolError(f"a tensor of {dtype} holds {sent[held != sent][0]}")
    return held.view(wire)


def _strings(proto: tensor_pb2.TensorProto) -> NDArray[Any]:
    values = list(proto.string_val) if not proto.tensor_content else _packed_strings(proto)
    flat = np.empty(len(values), dtype=object)
    flat[:] = values
    return flat


def _packed_strings(proto: tensor_pb2.TensorProto) -> list[bytes]:
    """Strings in tensor_content: the varint lengths of all of them, then their bytes."""
    content, count = proto.tensor_content, math.prod(dim.size for dim in proto.tensor_shape.dim)
    at, lengths = 0, []
    try:
        for _ in range(count):
            length = shift = 0
            while (byte := content[at]) > 127:
                if shift > _MOST_SHIFT:
                    raise BackendProtocolError(f"a tensor of {count} strings has a length of more than 64 bits")
                length |= (byte & 127) << shift
                at, shift = at + 1, shift + 7
            lengths.append(length | byte << shift)
            at += 1
    except IndexError:
        raise BackendProtocolError(f"a tensor of {count} strings ends within their lengths") from None
    if at + sum(lengths) != len(content):
        raise BackendProtocolError(f"a tensor of {count} strings holds {len(content) - at} bytes of text")
    ends = np.cumsum(lengths, dtype=np.int64) + at
    return [content[end - length : end] for end, length in zip(ends.tolist(), lengths, strict=True)]


def _from_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    return (bits.astype("<u4") << 16).view("<f4")
