"""Numbers are printed with few digits where few are enough, and always read back as the same value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from numpy.typing import DTypeLike

from headwise.api.rest.tfs.digits import decimals


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_number_reads_back_as_itself(dtype: DTypeLike) -> None:
    @given(arrays.arrays(dtype, 20, elements={"allow_nan": False, "allow_infinity": False}))
    def check(values: np.ndarray[tuple[int], np.dtype[np.floating]]) -> None:
        texts = decimals(values)
        assert np.array_equal(np.array([float(text) for text in texts]).astype(dtype), values)
        assert all("." in text or "e" in text for text in texts)

    check()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1 / 3, "0.333333343"),
        (123456, "123456.0"),
        (16777216, "16777216.0"),
        (1e6, "1e+06"),
        (1e-7, "1e-07"),
        (-0.0, "-0.0"),
        (1e-40, "9.99995e-41"),
        (np.nan, "NaN"),
        (np.inf, "Infinity"),
        (-np.inf, "-Infinity"),
    ],
)
def test_float32_has_six_or_nine_digits(value: float, text: str) -> None:
    assert decimals(np.array([value], np.float32)) == [text]


@pytest.mark.parametrize(("value", "text"), [(1 / 3, "0.33333333333333331"), (1234567, "1234567.0"), (1e22, "1e+22")])
def test_float64_has_six_or_seventeen_digits(value: float, text: str) -> None:
    assert decimals(np.array([value], np.float64)) == [text]


def test_float16_is_printed_as_the_float32_of_the_same_value() -> None:
    assert decimals(np.array([0.1, 2], np.float16)) == ["0.0999755859", "2.0"]


def test_no_numbers_are_no_texts() -> None:
    assert decimals(np.array([], np.float32)) == []
