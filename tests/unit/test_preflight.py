"""Arrays are held against the signature before any call, and the complaint names input, expectation and find."""

from typing import Any

import numpy as np
import pytest

from headwise.errors import InvalidTensorError
from headwise.preflight import check_inputs, check_names
from headwise.savedmodel import Signature, TensorSpec
from headwise.savedmodel.signature import NUMPY_DTYPES, Shape


def signature(dtype: str = "float32", shape: Shape | None = (None, 2), **others: TensorSpec) -> Signature:
    return Signature({"x": TensorSpec(dtype, shape), **others}, {})


def test_the_number_of_rows_is_returned() -> None:
    both = signature(n=TensorSpec("int32", (None,)), scale=TensorSpec("float32", ()))
    arrays = {"scale": np.float32(2), "x": np.zeros((3, 2), np.float32), "n": np.zeros(3, np.int32)}
    assert check_inputs({name: np.asarray(array) for name, array in arrays.items()}, both) == 3


@pytest.mark.parametrize("dtype", sorted(set(NUMPY_DTYPES) - {"bfloat16", "string"}))
def test_each_dtype_is_taken_as_itself_and_as_no_other(dtype: str) -> None:
    array = np.zeros((1, 2), NUMPY_DTYPES[dtype])
    assert check_inputs({"x": array}, signature(dtype)) == 1
    other = "float64" if dtype != "float64" else "float32"
    with pytest.raises(InvalidTensorError, match=rf"input 'x' is {dtype}: the model takes {other} \(\?, 2\)"):
        check_inputs({"x": array}, signature(other))


def test_texts_are_objects_and_bfloat16_cannot_be_sent() -> None:
    assert check_inputs({"x": np.array([[b"a", b"b"]], dtype=object)}, signature("string")) == 1
    with pytest.raises(InvalidTensorError, match="is string: the model takes float32"):
        check_inputs({"x": np.array([[b"a", b"b"]], dtype=object)}, signature())
    with pytest.raises(InvalidTensorError, match="the model takes bfloat16"):
        check_inputs({"x": np.zeros((1, 2), np.float32)}, signature("bfloat16"))
    with pytest.raises(InvalidTensorError, match="the model takes qint8"):
        check_inputs({"x": np.zeros((1, 2), np.int8)}, signature("qint8"))


@pytest.mark.parametrize(
    ("wanted", "given", "fits"),
    [
        ((None, 2), (5, 2), True),
        ((None, 2), (5, 3), False),
        ((None, 2), (5,), False),
        ((None, 2), (5, 2, 1), False),
        ((4, 2), (4, 2), True),
        ((4, 2), (5, 2), False),
        ((None, None), (5, 9), True),
        ((None,), (5,), True),
        (None, (5, 9, 1), True),
    ],
)
def test_shapes_fit_where_sizes_are_equal_or_open(wanted: Shape | None, given: tuple[int, ...], fits: bool) -> None:
    arrays = {"x": np.zeros(given, np.float32)}
    if fits:
        assert check_inputs(arrays, signature(shape=wanted)) == given[0]
    else:
        with pytest.raises(InvalidTensorError, match=r"input 'x' is float32 \(5.*: the model takes float32"):
            check_inputs(arrays, signature(shape=wanted))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float64", "complex64"])
def test_numbers_that_are_not_finite_are_named_with_their_place(bad: float, dtype: str) -> None:
    array = np.zeros((3, 2), dtype)
    array[2, 1] = bad
    with pytest.raises(InvalidTensorError, match=r"input 'x' holds .* at \[2, 1\]: numbers must be finite"):
        check_inputs({"x": array}, signature(dtype))


def test_no_rows_and_different_rows_are_refused() -> None:
    two = signature(n=TensorSpec("int32", (None,)))
    with pytest.raises(InvalidTensorError, match="input 'x' has no rows"):
        check_inputs({"x": np.zeros((0, 2), np.float32)}, signature())
    with pytest.raises(InvalidTensorError, match="'x' has 3, 'n' has 2"):
        check_inputs({"x": np.zeros((3, 2), np.float32), "n": np.zeros(2, np.int32)}, two)


def test_rows_that_hold_nothing_are_as_many_as_can_be_gone_through() -> None:
    """Such an array costs its sender a few bytes, whatever it says of its rows."""
    of = signature(shape=(None, None))
    assert check_inputs({"x": np.zeros((1000, 0), np.float32)}, of) == 1000
    with pytest.raises(InvalidTensorError, match=r"input 'x' is empty, yet its shape \(\d+, 0\) has more than"):
        check_inputs({"x": np.zeros((2**40, 0), np.float32)}, of)


@pytest.mark.parametrize("of", [signature(shape=()), signature(shape=None)], ids=["scalar", "any rank"])
def test_inputs_without_rows_are_refused(of: Signature) -> None:
    with pytest.raises(InvalidTensorError, match="no input has rows"):
        check_inputs({"x": np.array(1, np.float32)}, of)


def test_a_signature_without_inputs_has_no_rows_either() -> None:
    with pytest.raises(InvalidTensorError, match="no input has rows"):
        check_inputs({}, Signature({}, {}))


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["x", "y", "z"], "unknown input 'y', 'z'; the model's inputs are 'x', 'd'"),
        (["d"], "missing input 'x'; the model's inputs are 'x', 'd'"),
        ([], "missing input 'x'"),
    ],
)
def test_every_input_must_be_there_and_no_other(names: list[str], text: str) -> None:
    known = Signature({"x": TensorSpec("float32", (None,)), "d": TensorSpec("bool", ())}, {}, frozenset({"d"}))
    given: dict[str, Any] = dict.fromkeys(names)
    with pytest.raises(InvalidTensorError, match=text):
        check_names(given, known)
    check_names({"x": None}, known)
