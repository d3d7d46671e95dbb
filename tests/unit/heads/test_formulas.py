"""Each legal cell of HEAD_TABLE against another implementation of the same formula."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from headwise.heads import Activation, Head, Layout, Platt
from strategies.heads import LEGAL, Case, build, cases

Array = NDArray[Any]


def both(p: Array) -> Array:
    return np.concatenate([1 - p, p], axis=-1)


def classes(exceed: Array) -> Array:
    """P(y > k) a step to P(y = k) a class, one row and class at a time."""
    rows = []
    for row in exceed.tolist():
        edges = [1.0, *row, 0.0]
        rows.append([above - below for above, below in pairwise(edges)])
    return np.array(rows)


def falling(steps: Array) -> Array:
    return np.array([[min(row[: k + 1]) for k in range(len(row))] for row in steps.tolist()])


def product(steps: Array) -> Array:
    return np.array([[np.prod(row[: k + 1]) for k in range(len(row))] for row in steps])


REFERENCES: dict[tuple[str, str], Callable[[Array], Array]] = {
    ("BINARY_ONE_UNIT", "linear"): lambda z: both(expit(z)),
    ("BINARY_ONE_UNIT", "sigmoid"): both,
    ("BINARY_TWO_UNITS", "linear"): lambda z: softmax(z, axis=1),
    ("BINARY_TWO_UNITS", "softmax"): lambda p: p,
    ("BINARY_TWO_UNITS", "log_softmax"): np.exp,
    ("MULTICLASS", "linear"): lambda z: softmax(z, axis=1),
    ("MULTICLASS", "softmax"): lambda p: p,
    ("MULTICLASS", "log_softmax"): np.exp,
    ("MULTILABEL", "linear"): expit,
    ("MULTILABEL", "sigmoid"): lambda p: p,
    ("ORDINAL_CUMULATIVE", "linear"): lambda z: classes(falling(expit(z))),
    ("ORDINAL_CUMULATIVE", "sigmoid"): lambda p: classes(falling(p)),
    ("ORDINAL_CONDITIONAL", "linear"): lambda z: classes(product(expit(z))),
    ("ORDINAL_CONDITIONAL", "sigmoid"): lambda p: classes(product(p)),
}
WITHOUT_PROBABILITIES = {
    (Layout.BINARY_ONE_UNIT, "tanh"),
    *((Layout.REGRESSION, activation) for activation in ("linear", "sigmoid", "tanh")),
}


def test_every_legal_cell_has_a_reference() -> None:
    assert {(Layout[name], activation) for name, activation in REFERENCES} | WITHOUT_PROBABILITIES == set(LEGAL)


@pytest.mark.parametrize(("name", "activation"), REFERENCES)
def test_a_legal_cell_computes_its_formula(name: str, activation: Activation) -> None:
    reference = REFERENCES[name, activation]

    @given(cases(cells=[(Layout[name], activation)], calibrated=False))
    def holds(case: Case) -> None:
        probabilities = case.head.predict(case.output).probabilities

        assert probabilities is not None
        assert probabilities.dtype == np.float64
        np.testing.assert_allclose(probabilities, reference(case.output.astype(np.float64)), rtol=1e-14, atol=1e-15)

    holds()


@given(cases(cells=[cell for cell in LEGAL if cell[0] is Layout.REGRESSION]))
def test_regression_is_the_value_as_it_is(case: Case) -> None:
    prediction = case.head.predict(case.output)

    assert prediction.values is not None
    assert prediction.values.tobytes() == case.output.astype(np.float64).tobytes()
    assert prediction.probabilities is None
    assert prediction.indices is None
    assert prediction.labels is None


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=9))
def test_a_margin_is_decided_at_zero_and_has_no_probability(margins: list[float]) -> None:
    prediction = build(Layout.BINARY_ONE_UNIT, "tanh", 1).predict(np.array(margins, np.float32))

    assert prediction.margins is not None
    assert prediction.margins.tolist() == margins
    assert prediction.indices is not None
    assert prediction.indices.tolist() == [int(margin >= 0) for margin in margins]
    assert prediction.probabilities is None
    assert prediction.applied.cuts == (0.0,)


def test_binary_and_multiclass_answer_as_scikit_learn_does() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(120, 4))
    for labels in (("no", "yes"), ("a", "b", "c")):
        y = np.array(labels)[rng.integers(0, len(labels), 120)]
        model = LogisticRegression().fit(x, y)
        head = Head("binary" if len(labels) == 2 else "multiclass", "linear", labels)

        prediction = head.predict(model.decision_function(x))

        assert isinstance(prediction.labels, np.ndarray)
        assert prediction.labels.tolist() == model.predict(x).tolist()
        np.testing.assert_allclose(prediction.probabilities, model.predict_proba(x), rtol=1e-12, atol=1e-15)  # type: ignore[arg-type]


def test_log_probabilities_of_scikit_learn_are_a_log_softmax_head() -> None:
    """A class that cannot be has log(0) = -inf, beside others that can."""
    model = DummyClassifier(strategy="most_frequent").fit(np.zeros((5, 1)), [0, 1, 1, 1, 2])
    with np.errstate(divide="ignore"):
        logs = np.asarray(model.predict_log_proba(np.zeros((2, 1))))

    prediction = Head("multiclass", "log_softmax", ("a", "b", "c")).predict(logs)

    assert prediction.probabilities is not None
    assert prediction.probabilities.tolist() == [[0, 1, 0], [0, 1, 0]]


@given(st.floats(-0.999, 0.999), st.floats(0.1, 5), st.floats(-3, 3))
def test_a_calibrated_margin_is_the_logit_of_its_share_of_the_range(margin: float, slope: float, shift: float) -> None:
    """tanh(z / 2) = 2 sigmoid(z) - 1, so (1 + m) / 2 is a sigmoid and 2 artanh(m) its logit."""
    head = build(Layout.BINARY_ONE_UNIT, "tanh", 1, calibration=Platt(slope, shift))

    prediction = head.predict(np.array([margin]))

    assert prediction.probabilities is not None
    assert prediction.margins is None
    assert prediction.probabilities[0, 1] == pytest.approx(expit(slope * 2 * np.arctanh(margin) + shift), rel=1e-9)
