"""Arrays as a model's inputs: which input an unnamed one is for, and numbers in the input's own type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headwise.api.inputs import fitted
from headwise.errors import InvalidTensorError
from headwise.savedmodel import Signature, TensorSpec


def signature(**dtypes: str) -> Signature:
    return Signature({name: TensorSpec(dtype, (None,)) for name, dtype in dtypes.items()}, {})


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (np.array([1.5]), "float32"),
        (np.array([1, 2]), "float32"),
        (np.array([1, 2]), "int8"),
        (np.array([255], np.int64), "uint8"),
        (np.array([], np.int64), "int8"),
        (np.array([1.5], np.float16), "float64"),
    ],
)
def test_numbers_take_the_inputs_own_width(given: Any, dtype: str) -> None:
    found = fitted({"x": given}, signature(x=dtype))["x"]
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, given)


@pytest.mark.parametrize(
    ("given", "dtype", "text"),
    [
        (np.array([300]), "int8", "input 'x' holds 300 to 300: int8 cannot"),
        (np.array([-1, 5]), "uint16", "input 'x' holds -1 to 5: uint16 cannot"),
        (np.array([2**63], np.uint64), "int64", "int64 cannot"),
    ],
)
def test_whole_numbers_that_do_not_fit_are_refused(given: Any, dtype: str, text: str) -> None:
    with pytest.raises(InvalidTensorError, match=text):
        fitted({"x": given}, signature(x=dtype))


@pytest.mark.parametrize(
    ("given", "dtype"),
    [(np.array([1.5]), "int32"), (np.array([True]), "float32"), (np.array([b"1"], object), "float32")],
)
def test_other_kinds_stay_for_the_check_to_refuse(given: Any, dtype: str) -> None:
    assert fitted({"x": given}, signature(x=dtype))["x"] is given


def test_a_nan_that_signals_stays_one() -> None:
    """The check refuses it; numpy warns when it casts one."""
    signalling = np.array([0x7F800001], np.uint32).view(np.float32)
    assert np.isnan(fitted({"x": signalling}, signature(x="float64"))["x"]).all()


def test_an_unnamed_array_is_for_the_only_input() -> None:
    array = np.zeros(1, np.float32)
    assert fitted({"": array}, signature(x="float32"))["x"] is array
    with pytest.raises(InvalidTensorError, match="'x', 'y': send an array for each, by name"):
        fitted({"": array}, signature(x="float32", y="float32"))
    assert set(fitted({"": array, "z": array}, signature(x="float32"))) == {"", "z"}
