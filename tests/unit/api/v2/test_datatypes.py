"""Raw tensors: what is written is read again, and what is none is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from headwise.api.v2.datatypes import DTYPES, datatype_of, from_bytes, to_bytes
from headwise.errors import InvalidTensorError, UnsupportedError

NUMBERS = [name for name in DTYPES if name != "BYTES"]
SHAPES = arrays_of.array_shapes(min_dims=0, max_dims=3, max_side=4)


@given(st.sampled_from(NUMBERS), st.data())
def test_numbers_survive(datatype: str, data: st.DataObject) -> None:
    array = data.draw(arrays_of.arrays(np.dtype(DTYPES[datatype]), SHAPES))
    assert datatype_of("x", array) == datatype
    read = from_bytes("x", datatype, array.shape, to_bytes(array))
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype


@given(st.lists(st.binary(max_size=9), max_size=6))
def test_texts_survive(texts: list[bytes]) -> None:
    array = np.empty(len(texts), object)
    array[:] = texts
    assert from_bytes("x", "BYTES", (len(texts),), to_bytes(array)).tolist() == texts


@given(st.sampled_from(sorted(DTYPES)), st.lists(st.integers(-1, 4), max_size=3), st.binary(max_size=64))
def test_no_bytes_do_more_than_refuse(datatype: str, shape: list[int], data: bytes) -> None:
    try:
        assert list(from_bytes("x", datatype, shape, data).shape) == shape
    except InvalidTensorError as error:
        assert str(error).startswith("x")  # noqa: PT017


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "text"),
    [
        ("FP31", [1], b"1234", "known are BOOL"),
        (None, [1], b"1234", "known are BOOL"),
        ("FP32", [1], b"123", "3 bytes are no FP32 of 4 bytes each"),
        ("FP32", [2], b"1234", r"holds 1 elements: the shape \[2\] takes 2"),
        ("FP32", [-1], b"", "cannot be negative"),
        ("FP32", [2**62] * 100_000, b"1234", "has 100000 axes: 64 are the most"),
        ("FP32", [2**62] * 64, b"1234", "holds 1 elements"),
        ("BYTES", [1], b"\x05\x00\x00\x00ab", "the bytes end within element 0"),
        ("BYTES", [1], b"\x05", "the bytes end within element 0"),
    ],
)
def test_what_is_wrong_is_named(datatype: Any, shape: list[int], data: bytes, text: str) -> None:
    with pytest.raises(InvalidTensorError, match=text):
        from_bytes("x", datatype, shape, data)


def test_complex_numbers_have_no_datatype() -> None:
    with pytest.raises(UnsupportedError, match="complex64"):
        datatype_of("x", np.zeros(1, np.complex64))
