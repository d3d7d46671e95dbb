"""An output that contradicts its card is refused, and the text says which rows and what they hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headwise.errors import NonFiniteOutputError, OutputRangeError, OutputShapeError
from headwise.heads import Activation, Head, Layout, Temperature, contract
from strategies.heads import ACTIVATE, LEGAL, build
from support.predictions import FOLDER

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


def test_a_nan_that_signals_is_refused_as_any_other() -> None:
    """numpy warns when it casts one, and a model server may send any bits."""
    signalling = np.array([[0x7F800001]], np.uint32).view(np.float32)
    with pytest.raises(NonFiniteOutputError, match="row 0"):
        Head("regression", "linear").predict(signalling)


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
def test_a_little_beyond_the_range_is_brought_into_it_and_observed(dtype: str) -> None:
    eps = float(np.finfo(dtype).eps)
    room = max(4 * eps, 1e-3)
    head = Head("multilabel", "sigmoid", ABC)

    for miss, seen in ((2 * eps, 0.0), (0.9 * room, 0.9 * room if room > 4 * eps else 0.0)):
        prediction = head.predict(np.array([[1 + miss, -miss / 2, 0.5]], dtype))
        assert prediction.probabilities is not None
        assert prediction.probabilities.tolist() == [[1, 0, 0.5]]
        assert prediction.observations.range_error == pytest.approx(seen, rel=1e-3)
    for beyond in (1 + 1.3 * room, -1.3 * room):
        with pytest.raises(OutputRangeError):
            head.predict(np.array([[beyond, 0, 0]], dtype))


def test_probabilities_of_a_real_model_that_miss_their_range_are_answered() -> None:
    p = np.load(FOLDER / "cleanlab_imdb.npz")["p"]
    assert p.max() > 1 + 1e-5

    prediction = Head("binary", "softmax", ("no", "yes")).predict(p)

    assert prediction.probabilities is not None
    assert prediction.probabilities.tobytes() == np.clip(p, 0, 1).tobytes()
    assert 1e-5 < prediction.observations.range_error < 2e-5
    assert 1e-5 < prediction.observations.row_sum_error < 3e-5


@pytest.mark.parametrize("rows_before", [0, 3])
def test_rows_sum_to_1_after_they_were_brought_into_the_range(rows_before: int) -> None:
    """They sum to 1 as they came."""
    head = Head("multiclass", "softmax", ("a", "b", "c", "d"))
    before = [[0.25] * 4] * rows_before

    near = head.predict(np.array([*before, [0.5004, 0.5004, -0.0004, -0.0004]], np.float32))

    assert near.observations.row_sum_error == pytest.approx(8e-4, rel=1e-3)
    with pytest.raises(OutputRangeError, match=rf"a sum of 1\.0018 in row {rows_before}:"):
        head.predict(np.array([*before, [0.5009, 0.5009, -0.0009, -0.0009]], np.float32))


@pytest.mark.parametrize(
    ("layout", "activation", "row"),
    [
        (Layout.MULTILABEL, "sigmoid", [0.2, -3e-4, 1.0003]),
        (Layout.MULTICLASS, "softmax", [1.0003, -1e-5, 1e-4]),
        (Layout.MULTICLASS, "log_softmax", [-12.0, 3e-4, -13.0]),
        (Layout.BINARY_ONE_UNIT, "tanh", [-1.0003]),
    ],
)
def test_a_row_a_little_beyond_its_range_answers_alone_as_in_a_batch(
    layout: Layout, activation: Activation, row: list[float]
) -> None:
    head = build(layout, activation, len(row), calibration=Temperature(2))
    output = ACTIVATE[activation](np.linspace(-9, 9, 7 * len(row)).reshape(7, len(row)))
    output[3] = row

    whole = head.predict(output)

    assert whole.probabilities is not None
    assert whole.observations.range_error == pytest.approx(3e-4)
    for at, together in enumerate(whole.probabilities):
        alone = head.predict(output[at : at + 1]).probabilities
        assert alone is not None
        assert alone.tobytes() == together.tobytes()


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


LOWEST = {"linear": -INF, "sigmoid": 0.0, "log_softmax": -INF, "tanh": -1.0}
HIGHEST = {"linear": INF, "sigmoid": 1.0, "log_softmax": 0.0, "tanh": 1.0}


@pytest.mark.parametrize("activation", ["linear", "sigmoid", "log_softmax", "tanh"])
def test_a_float16_is_admitted_as_it_is_exactly_where_it_is_finite_and_in_range(activation: Activation) -> None:
    layout = Layout.MULTICLASS if activation == "log_softmax" else Layout.REGRESSION
    edges = [bits + step for bits in (0x3C00, 0x7C00, 0x8000, 0xBC00, 0xFC00) for step in (-1, 0, 1)]
    numbers = np.array([*range(0, 2**16, 11), *edges], np.uint16).view(np.float16)
    room = 4 * float(np.finfo(np.float16).eps)
    inside = np.isfinite(numbers) & (numbers >= LOWEST[activation] - room)
    inside &= numbers <= HIGHEST[activation] + room
    for number, good in zip(numbers.reshape(-1, 1, 1), inside.tolist(), strict=True):
        # A fair neighbour, so that -inf is the log of one class that cannot be.
        row = np.concatenate([number, np.zeros((1, 1), np.float16)], axis=1)
        if good or (activation == "log_softmax" and np.isneginf(number)):
            raw, _, told = contract.admit(row, layout, activation)
            assert told == ()
            assert raw[0, 0] == np.clip(np.float64(number[0, 0]), LOWEST[activation], HIGHEST[activation])
        else:
            with pytest.raises((NonFiniteOutputError, OutputRangeError)):
                contract.admit(row, layout, activation)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", ">f4"])
@pytest.mark.parametrize("activation", ["linear", "sigmoid", "tanh"])
def test_one_number_at_the_edge_of_a_large_batch_decides(activation: Activation, dtype: str) -> None:
    output = np.full((40, 7, 3), 0.5).astype(dtype)[:, ::2]  # positions, and gaps in memory
    low, high = (-np.inf, np.inf) if activation == "linear" else contract.RANGES[activation]
    for number in (low, high, 0.0):
        if np.isfinite(number):
            output[31, 2, 1] = number
            raw, *_ = contract.admit(output, Layout.REGRESSION, activation)
            assert raw.tobytes() == np.ascontiguousarray(output, np.float64).tobytes()
    for number in (low - 0.01, high + 0.01, np.nan, -np.nan):
        output[31, 2, 1] = number
        with pytest.raises((NonFiniteOutputError, OutputRangeError), match="row 31"):
            contract.admit(output, Layout.REGRESSION, activation)


@pytest.mark.parametrize("calibration", [None, Temperature(2)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("activation", ["softmax", "log_softmax"])
def test_one_row_that_misses_1_is_found_among_many(activation: Activation, dtype: str, calibration: Any) -> None:
    head = build(Layout.MULTICLASS, activation, 50, calibration=calibration)
    shares = np.full((300, 50), 0.02)
    shares[211, 7] = 0.025
    output = (shares if activation == "softmax" else np.log(shares)).astype(dtype)

    with pytest.raises(OutputRangeError, match=r"there is a sum of 1\.00[0-9]* in row 211: "):
        head.predict(output)


def test_leniently_numbers_are_brought_into_their_range_and_told() -> None:
    head = Head("multilabel", "sigmoid", ABC)
    output = np.array([[0.5, 1.5, -3.0], [0.25, 0.5, 1.0]], np.float32)

    prediction = head.answer(output, strict=False)

    assert prediction.probabilities is not None
    assert prediction.probabilities.tolist() == [[0.5, 1.0, 0.0], [0.25, 0.5, 1.0]]
    (told,) = prediction.observations.contradictions
    assert "there is 1.5 in row 0: is the layer's activation" in told
    assert head.answer(output[1:], strict=False).observations.contradictions == ()


def test_leniently_rows_that_do_not_sum_to_1_are_answered_as_they_are_and_told() -> None:
    prediction = Head("multiclass", "softmax", ABC).answer(np.array([[0.5, 0.75, 0.5]]), strict=False)

    assert prediction.probabilities is not None
    assert prediction.probabilities.tolist() == [[0.5, 0.75, 0.5]]
    assert prediction.observations.contradictions[0].startswith("softmax promises rows that sum to 1")


@pytest.mark.parametrize(
    ("output", "error"), [(np.full((1, 3), np.nan), NonFiniteOutputError), (np.zeros((1, 2)), OutputShapeError)]
)
def test_what_has_no_answer_is_refused_leniently_too(output: np.ndarray[Any, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Head("multilabel", "sigmoid", ABC).answer(output, strict=False)


@pytest.mark.parametrize("shape", [(3, 10), (3, 5000), (2, 1000, 10)])
def test_rows_that_miss_one_are_found_in_small_and_in_big_batches(shape: tuple[int, ...]) -> None:
    """Small ones are summed by BLAS, big ones are not: it would share them among threads."""
    head = Head("multiclass", "softmax", tuple(map(str, range(shape[-1]))))
    output = np.full(shape, 1 / shape[-1], np.float32)
    assert head.predict(output).observations.row_sum_error == 0

    output[-1] *= np.float32(1.01)

    with pytest.raises(OutputRangeError, match=rf"a sum of 1\.01 in row {shape[0] - 1}"):
        head.predict(output)
