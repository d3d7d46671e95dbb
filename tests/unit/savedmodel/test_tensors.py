"""Arrays to TensorProto and back: nothing changes on the way, and a tensor that contradicts itself is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from headwise.errors import BackendProtocolError
from headwise.savedmodel.tensors import from_proto, to_proto
from headwise.tfserving import tensor_pb2 as pb

NUMBERS = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)
SHAPES = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
TEXTS = arrays(object, SHAPES, elements=st.binary(max_size=200), fill=st.nothing())
ARRAYS = st.one_of(st.sampled_from(NUMBERS).flatmap(lambda dtype: arrays(dtype, SHAPES)), TEXTS)


def tensor(dtype: int, shape: list[int], **content: Any) -> pb.TensorProto:
    dims = [pb.TensorShapeProto.Dim(size=size) for size in shape]
    return pb.TensorProto(dtype=dtype, tensor_shape=pb.TensorShapeProto(dim=dims), **content)  # type: ignore[arg-type]


def assert_same(read: NDArray[Any], written: NDArray[Any]) -> None:
    assert read.shape == written.shape
    assert read.dtype == written.dtype
    assert read.tolist() == written.tolist() if written.dtype == object else read.tobytes() == written.tobytes()


@given(ARRAYS)
def test_an_array_comes_back_bit_for_bit(array: NDArray[Any]) -> None:
    assert_same(from_proto(pb.TensorProto.FromString(to_proto(array).SerializeToString())), array)


@given(arrays("float32", array_shapes(min_dims=2, max_dims=3), elements=st.floats(width=32)))
def test_memory_layout_and_byte_order_do_not_travel(array: NDArray[np.float32]) -> None:
    for held in (np.asfortranarray(array), array[::-1].copy()[::-1], array.astype(">f4")):
        assert_same(from_proto(to_proto(held)), array)


def test_typed_fields_are_read() -> None:
    """TensorFlow's own typed tensors are held against ours in tests/contract."""
    assert from_proto(tensor(pb.DT_FLOAT, [2], float_val=[1.5, -0.0])).tolist() == [1.5, -0.0]
    assert from_proto(tensor(pb.DT_INT8, [2], int_val=[-128, 127])).tolist() == [-128, 127]
    assert from_proto(tensor(pb.DT_HALF, [1], half_val=[0xBC00])).tolist() == [-1.0]
    assert from_proto(tensor(pb.DT_COMPLEX64, [1], scomplex_val=[1, 2])).tolist() == [1 + 2j]
    assert from_proto(tensor(pb.DT_STRING, [1, 1], string_val=[b"\x00"])).tolist() == [[b"\x00"]]


def test_bfloat16_is_widened_exactly() -> None:
    typed = from_proto(tensor(pb.DT_BFLOAT16, [3], half_val=[0x3F80, 0xC049, 0x7F80]))
    packed = from_proto(tensor(pb.DT_BFLOAT16, [3], tensor_content=bytes.fromhex("803f49c0807f")))

    for read in (typed, packed):
        assert read.dtype == np.float32
        assert read.tolist() == [1.0, -3.140625, np.inf]


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_packed_strings_are_read(texts: list[bytes]) -> None:
    """Varint lengths of all, then their bytes: a length of 128 or more takes two bytes."""
    lengths = b"".join(bytes([len(t)] if len(t) < 128 else [len(t) % 128 + 128, len(t) // 128]) for t in texts)

    read = from_proto(tensor(pb.DT_STRING, [len(texts)], tensor_content=lengths + b"".join(texts)))

    assert read.tolist() == texts


@pytest.mark.parametrize(
    ("proto", "text"),
    [
        (tensor(pb.DT_FLOAT, [2], float_val=[1]), r"a tensor of float32 \(2,\) holds 1 elements"),
        (tensor(pb.DT_FLOAT, [1], float_val=[1, 2]), r"float32 \(1,\) holds 2 elements"),
        (tensor(pb.DT_FLOAT, [3]), r"float32 \(3,\) holds 0 elements"),
        (tensor(pb.DT_FLOAT, [0, 2], float_val=[1]), r"float32 \(0, 2\) holds 1 elements"),
        (tensor(pb.DT_FLOAT, [2**40, 2**40], float_val=[1]), "holds 1 elements"),
        (tensor(pb.DT_FLOAT, [-1], float_val=[1]), r"float32 \(-1,\) cannot be read"),
        (tensor(pb.DT_FLOAT, [2], tensor_content=b"\0" * 4), r"float32 \(2,\) holds 1 elements"),
        (tensor(pb.DT_FLOAT, [1], tensor_content=b"\0" * 5), "5 bytes are no whole number of float32"),
        (tensor(pb.DT_BFLOAT16, [1], tensor_content=b"\0" * 3), "3 bytes are no whole number of bfloat16"),
        (tensor(pb.DT_INVALID, [1]), r"a tensor of invalid \(1,\) cannot be read"),
        (tensor(21, [1]), r"a tensor of dtype 21 \(1,\) cannot be read"),
        (tensor(pb.DT_FLOAT, [1], int_val=[1]), "holds 0 elements"),
        (tensor(pb.DT_COMPLEX64, [1], scomplex_val=[1, 2, 3]), "3 numbers are no whole number of complex64"),
        (tensor(pb.DT_INT8, [1], int_val=[300]), "a tensor of int8 holds 300"),
        (tensor(pb.DT_UINT16, [1], int_val=[-1]), "a tensor of uint16 holds -1"),
        (tensor(pb.DT_HALF, [1], half_val=[70000]), "a tensor of float16 holds 70000"),
        (tensor(pb.DT_STRING, [2], string_val=[b"a"]), r"string \(2,\) holds 1 elements"),
        (tensor(pb.DT_STRING, [2], tensor_content=b"\x80"), "a tensor of 2 strings ends within their lengths"),
        (tensor(pb.DT_STRING, [2**50], tensor_content=b"\1a"), "ends within their lengths"),
        (tensor(pb.DT_STRING, [2], tensor_content=b"\1\1a"), "a tensor of 2 strings holds 1 bytes of text"),
        (tensor(pb.DT_STRING, [1], tensor_content=b"\xff" * 99 + b"\1"), "a length of more than 64 bits"),
        (tensor(pb.DT_STRING, [1], tensor_content=b"\xff" * 2**22), "a length of more than 64 bits"),
        (tensor(pb.DT_FLOAT, [1] * 65, float_val=[1]), "a tensor of float32 has 65 axes: 64 are the most"),
        (tensor(pb.DT_FLOAT, [2**40, 1, 0]), r"float32 \(\d+, 1, 0\) is empty, yet"),
        (tensor(pb.DT_FLOAT, [0, 2**20, 2]), r"is empty, yet"),
        (tensor(pb.DT_FLOAT, [2**62, 2**62, 0]), r"is empty, yet"),
    ],
)
def test_a_tensor_that_contradicts_itself_is_refused(proto: pb.TensorProto, text: str) -> None:
    """TensorFlow pads short typed fields with their last value; in a model server's answer that is a loss."""
    with pytest.raises(BackendProtocolError, match=text):
        from_proto(proto)


def test_a_tensor_of_unknown_rank_is_refused() -> None:
    proto = pb.TensorProto(dtype=pb.DT_FLOAT, tensor_shape=pb.TensorShapeProto(unknown_rank=True), float_val=[1])

    with pytest.raises(BackendProtocolError, match="cannot be read"):
        from_proto(proto)
