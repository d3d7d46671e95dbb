"""An output that contradicts its card is refused, and the text says which rows and what they hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headwise.errors import NonFiniteOutputError, OutputRangeError, OutputShapeError
from headwise.heads import Activation, Head, Layout, Temperature
from strategies.heads import ACTIVATE, LEGAL, build

ABC = ("a", "b", "c")
INF = np.inf


def finite_output(layout: Layout, activation: Activation, rows: int = 8) -> tuple[Head, np.ndarray[Any, Any]]:
    units = {Layout.BINARY_ONE_UNIT: 1, Layout.BINARY_TWO_UNITS: 2}.get(layout, 3)
    output = ACTIVATE[activation](np.linspace(-2, 2, rows * units).reshape(rows, units))
    return build(layout, activation, units), output.astype(np.float32)


@pytest.mark.parametrize(("layout", "activation"), LEGAL)
@pytest.mark.parametrize("bad", [np.nan, INF])
def test_no_head_reads_nan_or_infinity(layout: Layout, activation: Activation, bad: float) -> None:
    head, output = finite_output(layout, activation)
    output[2, 0] = output[5, -1] = bad

    with pytest.raises(NonFiniteOutputError, match=r"^the output is not finite in rows 2, 5 \(2 of 8\)$"):
        head.predict(output)


@pytest.mark.parametrize(("layout", "activation"), LEGAL)
def test_minus_infinity_is_read_only_as_the_log_of_a_class_that_cannot_be(
    layout: Layout, activation: Activation
) -> None:
    head, output = finite_output(layout, activation)
    classes = layout in (Layout.BINARY_TWO_UNITS, Layout.MULTICLASS) and activation in ("linear", "log_softmax")
    output[3] = -INF if not classes else [-INF, *[np.log(1 / (output.shape[1] - 1))] * (output.shape[1] - 1)]

    if not classes:
        with pytest.raises(NonFiniteOutputError, match=r"in row 3$"):
            head.predict(output)
        return
    for calibrated in (head, build(layout, activation, output.shape[1], calibration=Temperature(2))):
        probabilities = calibrated.predict(output).probabilities
        assert probabilities is not None
        assert probabilities[3, 0] < 1e-12
    output[3] = -INF
    with pytest.raises(NonFiniteOutputError, match=r"in row 3$"):
        head.predict(output)


def test_many_bad_rows_are_named_by_the_first_five() -> None:
    with pytest.raises(NonFiniteOutputError, match=r"in rows 0, 1, 2, 3, 4, … \(7 of 7\)$"):
        Head("binary", "linear", ("no", "yes")).predict(np.full(7, np.nan))


def test_rows_of_a_sequence_are_named_by_their_place_in_the_batch() -> None:
    output = np.zeros((4, 6, 3), np.float32)
    output[2, 4, 1] = np.nan

    with pytest.raises(NonFiniteOutputError, match=r"in row 2$"):
        Head("multiclass", "linear", ABC).predict(output)


@pytest.mark.parametrize(
    ("head", "row", "text"),
    [
        (Head("binary", "sigmoid", ("n", "y")), [1.17], r"sigmoid promises values in \[0, 1\], but there is 1\.17 in"),
        (Head("binary", "sigmoid", ("n", "y")), [-0.2], "there is -0.2 in row 1: is the layer's activation what"),
        (Head("binary", "tanh", ("n", "y")), [1.5], r"tanh promises values in \[-1, 1\], but there is 1\.5"),
        (Head("multilabel", "sigmoid", ABC), [0.5, 3.0, 0.1], "there is 3 in row 1"),
        (Head("multiclass", "softmax", ABC), [2.0, -1.0, 0.0], "there is 2 in row 1"),
        (Head("multiclass", "log_softmax", ABC), [0.5, -1.0, 0.0], r"log_softmax promises values in \[-inf, 0\]"),
        (Head("ordinal", "sigmoid", ABC), [0.5, 1.01], "there is 1.01 in row 1"),
        (Head("regression", "sigmoid", range=(0.0, 1.0)), [1.01], "there is 1.01 in row 1"),
        (Head("regression", "tanh", range=(-1.0, 1.0)), [-1.01], "there is -1.01 in row 1"),
        (Head("multiclass", "softmax", ABC), [0.5, 0.4, 0.2], "a sum of 1.1 in row 1: are these independent sigmoids"),
        (Head("multiclass", "softmax", ABC), [0.5, 0.4, 0.09], "a sum of 0.99 in row 1"),
        (Head("binary", "softmax", ("n", "y")), [0.5, 0.502], "a sum of 1.002 in row 1"),
        (Head("multiclass", "log_softmax", ABC), [-0.1, -0.1, -0.1], "a sum of 2.71451 in row 1"),
    ],
)
def test_numbers_that_are_not_what_the_card_says_are_refused(head: Head, row: list[float], text: str) -> None:
    exclusive = head.activation in ("softmax", "log_softmax")
    good = np.full(len(row), 1 / len(row)) if exclusive else np.zeros(len(row))
    output = np.array([np.log(good) if head.activation == "log_softmax" else good, row])

    with pytest.raises(OutputRangeError, match=text):
        head.predict(output)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rounding_beyond_the_range_is_brought_into_it(dtype: str) -> None:
    eps = np.finfo(dtype).eps
    head = Head("multilabel", "sigmoid", ABC)

    prediction = head.predict(np.array([[1 + 2 * eps, -2 * eps, 0.5]], dtype))

    assert prediction.probabilities is not None
    assert prediction.probabilities.tolist() == [[1, 0, 0.5]]
    with pytest.raises(OutputRangeError):
        head.predict(np.array([[1 + 6 * eps, 0, 0]], dtype))


@pytest.mark.parametrize(("off", "seen"), [(1e-7, 0), (2e-5, 2e-5), (9e-4, 9e-4)])
def test_rows_that_nearly_sum_to_1_are_answered_and_observed(off: float, seen: float) -> None:
    observed = Head("binary", "softmax", ("no", "yes")).predict(np.array([[0.5, 0.5 + off]], np.float32)).observations

    assert observed.row_sum_error == pytest.approx(seen, rel=1e-2)


def test_saturated_values_are_counted() -> None:
    observed = Head("binary", "sigmoid", ("no", "yes")).predict(np.array([0, 0.5, 1, 1], np.float32)).observations

    assert observed.saturated == 3


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (np.zeros((2, 3), np.int64), "the output is int64: a head reads floating numbers"),
        (np.array([["a"]]), "a head reads floating numbers"),
        (np.float32(1), "the output is a scalar"),
        ([[1.0, 2.0], [1.0]], "the output is no array of numbers"),
        ([["a", "b", "c"]], "the output is no array of numbers"),
        (np.zeros((2, 4)), r"output of shape \(2, 4\): the output has 4 units, but multiclass with 3 labels needs 3"),
        (np.zeros(2), r"output of shape \(2,\): the output has 1 units"),
        (np.zeros((2, 0)), r"output of shape \(2, 0\): the output has 0 units"),
    ],
)
def test_an_output_of_another_kind_is_refused(output: Any, text: str) -> None:
    with pytest.raises(OutputShapeError, match=text):
        Head("multiclass", "linear", ABC).predict(output)


def test_regression_needs_a_unit() -> None:
    with pytest.raises(OutputShapeError, match="0 units"):
        Head("regression", "linear").predict(np.zeros((2, 0)))
