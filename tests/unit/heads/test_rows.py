"""A row's answer is its own: not its batch's, not its memory layout's, not its place in a sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headwise.heads import (
    Abstain,
    Activation,
    Argmax,
    Cost,
    Layout,
    Prediction,
    PredictionSet,
    Temperature,
)
from headwise.heads.decisions import ONE_ANSWER
from strategies.heads import ACTIVATE, LEGAL, Case, build, cases

FIELDS = ("probabilities", "indices", "decisions", "values", "margins", "top", "abstained", "sets", "intervals")
UNITS = {
    Layout.BINARY_ONE_UNIT: 1,
    Layout.BINARY_TWO_UNITS: 2,
    Layout.MULTICLASS: 11,
    Layout.MULTILABEL: 9,
    Layout.ORDINAL_CUMULATIVE: 5,
    Layout.ORDINAL_CONDITIONAL: 5,
    Layout.REGRESSION: 3,
}
MEMORY: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "rows": lambda a: np.repeat(a, 2, axis=0)[::2],
    "columns": lambda a: np.repeat(a, 3, axis=-1)[..., ::3],
    "fortran": np.asfortranarray,
    "reversed": lambda a: a[::-1].copy()[::-1],
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
}


def answer(case: Case, output: NDArray[Any]) -> Prediction:
    ranks = case.head.task != "regression" and not case.head.is_margin
    return case.head.predict(output, top_k=2 if ranks else None)


@st.composite
def decided(draw: st.DrawFn, /, **kind: Any) -> Case:
    """A case whose card has costs, an abstention or prediction sets, where its task has them."""
    case = draw(cases(**kind))
    task, classes = case.head.task, len(case.head.labels)
    if task not in ONE_ANSWER or case.head.is_margin:
        return case
    sets = PredictionSet(draw(st.sampled_from(["lac", "aps"])), 0.9, {"0.9": draw(st.floats(0.1, 0.99))})
    costs = np.random.default_rng(draw(st.integers(0, 9))).uniform(1, 5, (classes, classes))
    np.fill_diagonal(costs, 0)
    abstain = draw(st.sampled_from([None, Abstain(floor=0.7), Abstain(margin=0.2), Abstain(set=True)]))
    rules: list[Any] = [Cost(costs, None, abstain or Abstain(cost=0.8), sets), Argmax(None, abstain, sets)]  # type: ignore[arg-type]
    rule = rules[draw(st.integers(0, 1)) if task == "multiclass" else 0]
    return replace(case, head=replace(case.head, decision=rule))


def assert_same(one: Prediction, other: Prediction) -> None:
    """Equal bit for bit, in shape and in which fields there are."""
    for name in FIELDS:
        left, right = getattr(one, name), getattr(other, name)
        assert (left is None) == (right is None), name
        if left is not None:
            assert left.shape == right.shape, name
            assert left.tobytes() == right.tobytes(), name


def stacked(rows: list[Prediction], whole: Prediction) -> Prediction:
    fields = {n: np.concatenate([getattr(r, n) for r in rows]) for n in FIELDS if getattr(rows[0], n) is not None}
    return Prediction(whole.task, whole.classes, whole.applied, whole.observations, **fields)


@given(decided())
def test_a_batch_answers_as_each_of_its_rows_alone(case: Case) -> None:
    whole = answer(case, case.output)
    rows = [answer(case, case.output[i : i + 1]) for i in range(len(case.output))]

    assert_same(whole, stacked(rows, whole))


@pytest.mark.parametrize("calibration", [None, Temperature(1.7)], ids=["plain", "calibrated"])
@pytest.mark.parametrize(("layout", "activation"), LEGAL)
def test_long_batches_answer_as_their_rows_do(
    layout: Layout, activation: Activation, calibration: Temperature | None
) -> None:
    """Vectorised kernels work in blocks: 1003 rows leave a tail in each of them."""
    logits = np.random.default_rng(7).normal(scale=4, size=(1003, UNITS[layout]))
    output = ACTIVATE[activation](logits).astype(np.float32)
    head = build(layout, activation, UNITS[layout], calibration=None if layout is Layout.REGRESSION else calibration)

    whole = head.predict(output)
    parts = [head.predict(output[start : start + size]) for start, size in ((0, 1), (1, 2), (3, 1000))]

    assert_same(whole, stacked(parts, whole))


@given(cases(), st.sampled_from(sorted(MEMORY)))
def test_the_memory_layout_of_an_output_changes_nothing(case: Case, layout: str) -> None:
    moved = MEMORY[layout](case.output)
    assert np.array_equal(moved, case.output)

    assert_same(answer(case, moved), answer(case, case.output))


@given(decided())
def test_the_order_of_rows_is_only_their_order(case: Case) -> None:
    forward, backward = answer(case, case.output), answer(case, case.output[::-1])

    for name in FIELDS:
        if (field := getattr(forward, name)) is not None:
            assert field[::-1].tobytes() == getattr(backward, name).tobytes(), name


@given(decided(positions=True))
def test_each_position_is_answered_as_a_row_would_be(case: Case) -> None:
    batch, steps, units = case.output.shape

    nested = answer(case, case.output)
    flat = answer(case, case.output.reshape(batch * steps, units))

    for name in FIELDS:
        if (field := getattr(nested, name)) is not None:
            assert field.shape[:2] == (batch, steps), name
            assert field.tobytes() == getattr(flat, name).tobytes(), name


@given(cases(cells=[cell for cell in LEGAL if UNITS[cell[0]] == 1]))
def test_a_vector_is_a_column_of_one_unit(case: Case) -> None:
    assert_same(answer(case, case.output[:, 0]), answer(case, case.output))


@pytest.mark.parametrize(("layout", "activation"), LEGAL)
@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_no_rows_give_no_answers(layout: Layout, activation: Activation, shape: tuple[int, ...]) -> None:
    prediction = build(layout, activation, UNITS[layout]).predict(np.zeros((*shape, UNITS[layout]), np.float32))

    found = [field for name in FIELDS if (field := getattr(prediction, name)) is not None]
    assert found
    assert all(field.size == 0 and field.shape[: len(shape)] == shape for field in found)


@given(cases(cells=[(Layout.REGRESSION, "linear"), (Layout.MULTICLASS, "softmax")], dtypes=("float64",)))
def test_a_prediction_keeps_nothing_of_the_array_it_was_made_from(case: Case) -> None:
    output = case.output.copy()
    prediction = answer(case, output)
    before = answer(case, case.output)
    output[...] = 0

    assert_same(prediction, before)
