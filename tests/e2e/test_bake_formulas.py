"""The baked formulas are those of `heads`, for every legal cell, calibrator and rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from headwise.errors import HeadMismatchError, UnsupportedError
from headwise.heads import CALIBRATORS, HEAD_TABLE, Head, Legal, PerLabel, Platt, Temperature, Threshold
from headwise.heads.decisions import RULES
from headwise.heads.scores import Form
from headwise.training.baking.calibrators import BAKED_CALIBRATORS
from headwise.training.baking.formulas import BAKED_TABLE
from headwise.training.baking.head import BAKED_RULES, answer
from strategies.heads import LEGAL, STRATEGIES, Case, build, cases

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow")


def baked(head: Head, output: Any) -> dict[str, Any]:
    units = 1 if np.ndim(output) == 1 else np.shape(output)[-1]
    return {name: tensor.numpy() for name, tensor in answer(head, tf.constant(output), units).items()}


def expected(head: Head, output: Any) -> dict[str, Any]:
    """What the gateway answers, by the names of the baked signature."""
    said = head.answer(output)
    labels = said.labels
    if said.decisions is not None:
        labels = np.where(said.decisions, np.array(head.labels), "")
    named = {
        "probabilities": said.probabilities,
        "indices": said.indices,
        "decisions": said.decisions,
        "value": said.values,
        "margin": said.margins,
        "labels": None if labels is None else np.char.encode(np.asarray(labels), "utf-8").astype(object),
    }
    return {name: array for name, array in named.items() if array is not None}


def decided_by_a_hair(head: Head, output: Any) -> np.ndarray[Any, Any]:
    """Rows in which the last bit of a float64 decides or picks a step: numpy and TensorFlow may differ in it."""
    said = head.answer(output)
    flat = np.zeros(len(output), np.bool_)
    for push in (1e-12, -1e-12):
        moved = np.asarray(output, np.float64) * (1 + push) + push * np.arange(1, np.shape(output)[-1] + 1)
        try:
            other = head.answer(np.clip(moved, *_BOUNDS.get(head.activation, (-np.inf, np.inf))))
        except HeadMismatchError:
            continue
        for mine, theirs in ((said.indices, other.indices), (said.decisions, other.decisions)):
            if mine is not None and theirs is not None:
                flat |= (mine != theirs).reshape(len(flat), -1).any(axis=1)
        if said.probabilities is not None and other.probabilities is not None:
            jumps = np.abs(said.probabilities - other.probabilities) > 1e-7
            flat |= jumps.reshape(len(flat), -1).any(axis=1)
    return flat


_BOUNDS = {"sigmoid": (0, 1), "softmax": (0, 1), "log_softmax": (-np.inf, 0), "tanh": (-1, 1)}


def assert_alike(head: Head, output: Any) -> None:
    mine, theirs = baked(head, output), expected(head, output)
    assert set(mine) == set(theirs)
    sure = ~decided_by_a_hair(head, output)
    for name, array in theirs.items():
        assert mine[name].shape == array.shape, name
        assert mine[name].dtype == array.dtype, name
        if array.dtype.kind == "f":
            np.testing.assert_allclose(mine[name][sure], array[sure], rtol=1e-11, atol=1e-13, err_msg=name)
        else:
            np.testing.assert_array_equal(mine[name][sure], array[sure], err_msg=name)


def test_every_legal_cell_is_baked_and_no_other() -> None:
    for layout, row in HEAD_TABLE.items():
        assert set(BAKED_TABLE[layout]) == {activation for activation, cell in row.items() if isinstance(cell, Legal)}
        for activation, cell in BAKED_TABLE[layout].items():
            legal = row[activation]
            assert isinstance(legal, Legal)
            assert (cell.canonical is None) == (legal.canonical is None)


def test_every_calibrator_is_baked() -> None:
    assert set(BAKED_CALIBRATORS) == set(CALIBRATORS)


def test_every_rule_is_baked() -> None:
    assert set(BAKED_RULES) == {rule for rules in RULES.values() for rule in rules}


@pytest.mark.parametrize("cell", LEGAL, ids=" ".join)
@settings(max_examples=30)
@given(data=st.data())
def test_a_cell_with_any_calibrator_answers_as_the_gateway_does(cell: Any, data: st.DataObject) -> None:
    case = data.draw(cases([cell], positions=data.draw(st.booleans())))

    assert_alike(case.head, case.output)


@pytest.mark.parametrize("name", CALIBRATORS)
@settings(max_examples=4)
@given(data=st.data())
def test_a_graph_calibrates_batches_of_any_size(name: str, data: st.DataObject) -> None:
    """Traced as it is exported: the number of rows is not known."""
    calibrator = data.draw(STRATEGIES[name](3))
    form = min(calibrator.FORMS)
    z = np.random.default_rng(3).normal(scale=9, size=(20, 1 if form is Form.BINARY else 3))

    traced = tf.function(
        lambda rows: BAKED_CALIBRATORS[name](calibrator, rows, form).probabilities,
        input_signature=[tf.TensorSpec((None, z.shape[1]), tf.float64)],
    )

    for rows in (z, z[:1], z[:0]):
        said = calibrator.scores(rows, form).probabilities
        assert said is not None
        np.testing.assert_allclose(traced(rows).numpy(), said, rtol=1e-11, atol=1e-300)


@settings(max_examples=60)
@given(case=cases(), cut=st.floats(0.001, 0.999))
def test_cuts_of_the_card_are_the_cuts_of_the_graph(case: Case, cut: float) -> None:
    rules = RULES[case.head.task]
    if "threshold" not in rules or case.head.is_margin:
        return
    decision: Any = Threshold(cut, {"other": 0.5})
    if "per_label" in rules:
        decision = PerLabel({label: cut / (index + 1) for index, label in enumerate(case.head.labels)})
    units = case.output.shape[-1]
    head = build(case.layout, case.head.activation, units, calibration=case.head.calibration, decision=decision)

    assert_alike(head, case.output)


BINARY = Head("binary", "linear", ("no", "yes"))
THREE = Head("multiclass", "linear", ("a", "b", "c"))


@pytest.mark.parametrize(
    ("head", "output"),
    [
        (BINARY, np.array([[0.0], [-0.0], [1e308], [-1e308]])),
        (BINARY, np.array([0.5, -0.5], np.float32)),
        (Head("binary", "sigmoid", ("no", "yes")), np.array([[0.5], [1.0], [0.0], [np.nextafter(0.5, 0)]])),
        (Head("binary", "sigmoid", ("no", "yes"), calibration=Platt(2.0, 1.0)), np.array([[1.0], [0.0]], np.float32)),
        (Head("binary", "sigmoid", ("no", "yes"), calibration=Temperature(2.0)), np.array([[1.0], [0.0]], np.float16)),
        (
            Head("binary", "sigmoid", ("no", "yes")),
            np.array([[np.nextafter(np.float32(1), np.float32(2))]], np.float32),
        ),
        (Head("binary", "tanh", ("no", "yes")), np.array([[0.0], [-1e-9], [1.0]])),
        (Head("binary", "tanh", ("no", "yes"), calibration=Platt(1.0, 0.0)), np.array([[1.0], [-1.0]], np.float32)),
        (THREE, np.array([[1.0, 1.0, 1.0], [0.0, 2.0, 2.0], [-np.inf, 1.0, 0.0]])),
        (Head("multiclass", "log_softmax", ("a", "b")), np.array([[0.0, -np.inf]])),
        (Head("multiclass", "softmax", ("a", "b"), calibration=Temperature(0.5)), np.array([[1.0, 0.0], [0.5, 0.5]])),
        (Head("ordinal", "linear", ("a", "b", "c")), np.array([[1.0, 2.0], [0.0, -0.1], [-1.0, 5.0]])),
    ],
    ids=str,
)
def test_edges_are_decided_alike(head: Head, output: Any) -> None:
    mine, theirs = baked(head, output), expected(head, output)
    for name, array in theirs.items():
        if array.dtype.kind == "f":
            np.testing.assert_allclose(mine[name], array, rtol=1e-12, atol=1e-300)
        else:
            np.testing.assert_array_equal(mine[name], array)


def test_bfloat16_counts_as_the_float32_that_the_gateway_reads() -> None:
    head = Head("binary", "sigmoid", ("no", "yes"), calibration=Platt(1.0, 0.0))
    values = [[1.0], [0.5], [0.0]]
    mine = answer(head, tf.constant(values, tf.bfloat16), 1)["probabilities"].numpy()

    theirs = expected(head, np.array(values, np.float32))["probabilities"]
    np.testing.assert_allclose(mine, theirs, rtol=1e-12)


@pytest.mark.parametrize(
    ("head", "output"),
    [
        (BINARY, [[np.nan]]),
        (BINARY, [[np.inf]]),
        (THREE, [[-np.inf, -np.inf, -np.inf]]),
        (Head("binary", "sigmoid", ("no", "yes")), [[1.01]]),
        (Head("binary", "tanh", ("no", "yes")), [[-1.01]]),
        (Head("multiclass", "softmax", ("a", "b", "c")), [[0.3, 0.3, 0.3]]),
        (Head("multiclass", "log_softmax", ("a", "b")), [[0.0, 0.0]]),
        (Head("regression", "linear"), [[np.nan]]),
    ],
    ids=str,
)
def test_numbers_that_contradict_the_card_are_refused_by_both(head: Head, output: Any) -> None:
    with pytest.raises(HeadMismatchError):
        head.answer(np.array(output))
    with pytest.raises(tf.errors.InvalidArgumentError, match="contradicts its head card"):
        baked(head, np.array(output))


def test_a_calibrator_without_a_formula_is_refused() -> None:
    class Spline(Temperature):
        method = "spline"  # type: ignore[assignment]

    head = Head("binary", "linear", ("no", "yes"))
    object.__setattr__(head, "calibration", Spline(1.0))
    object.__setattr__(head.calibration, "method", "spline")

    with pytest.raises(UnsupportedError, match="calibration 'spline' has no formula"):
        baked(head, np.array([[1.0]]))
