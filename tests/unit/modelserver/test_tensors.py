"""TensorProto to numpy and back, held against TensorFlow's own reading."""

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from tensorflow.core.framework import tensor_pb2

from headwise.modelserver.status import StatusError
from headwise.modelserver.tensors import Array, data_type_name, decode, encode

DTYPES = [np.dtype(code) for code in "?bhilBHILefdFD"]


def tensor_proto(dtype: tf.DType, shape: tuple[int, ...], **fields: object) -> tensor_pb2.TensorProto:
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum, **fields)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def text_array(*texts: bytes) -> Array:
    array = np.empty(len(texts), np.object_)
    array[:] = texts
    return array


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=3, min_side=0))
    ),
    st.booleans(),
)
def test_numbers_come_back_as_they_were_and_tensorflow_reads_them_alike(array: Array, content: bool) -> None:
    proto = encode(array, as_content=content)
    assert bool(proto.tensor_content) == (content and array.size > 0)
    for reading in (decode(proto), tf.make_ndarray(proto)):
        assert reading.dtype == array.dtype
        assert reading.shape == array.shape
        assert reading.tobytes() == array.tobytes()


@given(st.lists(st.binary(max_size=300), min_size=1), st.booleans())
def test_strings_come_back_as_they_were(texts: list[bytes], content: bool) -> None:
    array = text_array(*texts)
    assert decode(encode(array, as_content=content)).tolist() == texts


def test_strings_in_content_are_laid_out_as_tensorflow_reads_them() -> None:
    proto = encode(text_array(b"a", b"", b"x" * 200), as_content=True)
    parsed = tf.io.parse_tensor(proto.SerializeToString(), tf.string)
    assert parsed.numpy().tolist() == [b"a", b"", b"x" * 200]


def test_bfloat16_travels_as_its_bits() -> None:
    array = np.array([1.5, -2.0], ml_dtypes.bfloat16)
    proto = encode(array, as_content=False)
    assert list(proto.half_val) == array.view(np.uint16).tolist()
    assert decode(proto).tolist() == [1.5, -2.0]
    assert data_type_name(array) == "DT_BFLOAT16"


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], [0, 0, 0]), ([7], [7, 7, 7]), ([1, 2], [1, 2, 2]), ([1, 2, 3, 4], [1, 2, 3])],
)
def test_a_typed_field_is_filled_with_its_last_value_or_cut(values: list[int], expected: list[int]) -> None:
    assert decode(tensor_proto(tf.int32, (3,), int_val=values)).tolist() == expected


def test_strings_left_out_are_empty() -> None:
    assert decode(tensor_proto(tf.string, (2,))).tolist() == [b"", b""]


def test_small_integers_wrap() -> None:
    assert decode(tensor_proto(tf.int8, (2,), int_val=[128, 300])).tolist() == [-128, 44]


@pytest.mark.parametrize(
    "proto",
    [
        tensor_proto(tf.float32, (-1,), float_val=[1]),
        tensor_proto(tf.float32, (1 << 40, 1 << 40), float_val=[1]),
        tensor_proto(tf.float32, (1,) * 255, float_val=[1]),
        tensor_proto(tf.float32, (1,) * 100, float_val=[1]),
        tensor_proto(tf.float32, (2,), tensor_content=b"\0" * 7),
        tensor_proto(tf.bool, (2,), tensor_content=b"\1\2"),
        tensor_proto(tf.string, (2,), tensor_content=b"\x7fab"),
        tensor_proto(tf.string, (2,), tensor_content=b"\1\1abZ"),
        tensor_proto(tf.string, (1,), tensor_content=b"\xff"),
        tensor_proto(tf.string, (1 << 50,), tensor_content=b"\1a"),
        tensor_proto(tf.resource, (1,)),
        tensor_pb2.TensorProto(dtype=9999),
    ],
)
def test_what_makes_no_tensor_is_refused(proto: tensor_pb2.TensorProto) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(proto)


def test_a_dtype_that_has_no_field_cannot_be_sent() -> None:
    with pytest.raises(StatusError, match="datetime64"):
        encode(np.zeros(1, "datetime64[s]"), as_content=False)
