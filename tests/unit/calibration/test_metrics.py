"""Metrics against scikit-learn, on random answers with ties, missing classes and certainties of 0 and 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn import metrics as sk

from headwise.calibration import metrics

Array = NDArray[Any]
ROWS = st.integers(1, 12)
COARSE = st.integers(0, 8).map(lambda eighths: eighths / 8)
"""Scores with many ties, and certainties."""


@st.composite
def classified(draw: st.DrawFn, least_classes: int = 2) -> tuple[Array, Array, Array]:
    """Probabilities (rows, classes), answers (rows,), targets (rows,); some classes may have no row."""
    rows, classes = draw(ROWS), draw(st.integers(least_classes, 5))
    weights = draw(arrays(np.float64, (rows, classes), elements=st.one_of(COARSE, st.floats(1e-6, 1))))
    weights[weights.sum(axis=1) == 0] = 1
    indices = st.integers(0, classes - 1)
    answers, targets = (draw(arrays(np.int64, rows, elements=indices)) for _ in range(2))
    return weights / weights.sum(axis=1, keepdims=True), answers, targets


@st.composite
def labelled(draw: st.DrawFn) -> tuple[Array, Array, Array]:
    """Multilabel probabilities, decisions and targets, each (rows, labels)."""
    shape = draw(ROWS), draw(st.integers(1, 4))
    probabilities = draw(arrays(np.float64, shape, elements=st.one_of(COARSE, st.floats(0, 1))))
    return probabilities, probabilities >= 0.5, draw(arrays(np.bool_, shape))


@given(classified())
def test_answers_are_counted_as_scikit_learn_counts_them(case: tuple[Array, Array, Array]) -> None:
    probabilities, answers, targets = case
    classes = probabilities.shape[1]
    recalls = sk.recall_score(targets, answers, labels=np.unique(targets), average=None, zero_division=0)

    assert metrics.accuracy(answers, targets) == sk.accuracy_score(targets, answers)
    assert metrics.balanced_accuracy(answers, targets) == pytest.approx(recalls.mean())
    np.testing.assert_array_equal(
        metrics.confusion_matrix(answers, targets, classes),
        sk.confusion_matrix(targets, answers, labels=range(classes)),
    )
    assert metrics.mean_distance(answers, targets) == pytest.approx(sk.mean_absolute_error(targets, answers))


@given(classified())
def test_probabilities_are_scored_as_scikit_learn_scores_them(case: tuple[Array, Array, Array]) -> None:
    probabilities, _, targets = case
    labels = range(probabilities.shape[1])

    assert metrics.log_loss(probabilities, targets) == pytest.approx(
        sk.log_loss(targets, probabilities, labels=labels), abs=1e-12
    )
    expected = (
        sk.brier_score_loss(targets, probabilities[:, 1], labels=labels)
        if len(labels) == 2
        else sk.brier_score_loss(targets, probabilities, labels=labels)
    )
    assert metrics.brier_score(probabilities, targets) == pytest.approx(expected, abs=1e-12)


@given(classified())
def test_ranks_are_scored_as_scikit_learn_scores_them(case: tuple[Array, Array, Array]) -> None:
    probabilities, _, targets = case
    present = np.unique(targets)
    if len(present) == 1:
        assert metrics.macro_roc_auc(probabilities, targets) is None
        return
    each = [sk.roc_auc_score(targets == index, probabilities[:, index]) for index in present]
    assert metrics.macro_roc_auc(probabilities, targets) == pytest.approx(np.mean(each))


@given(classified(least_classes=3))
def test_with_every_class_the_macro_auc_is_scikit_learns(case: tuple[Array, Array, Array]) -> None:
    probabilities, _, targets = case
    classes = probabilities.shape[1]
    targets = np.concatenate([np.arange(classes), targets])
    probabilities = np.concatenate([np.full((classes, classes), 1 / classes), probabilities])
    expected = sk.roc_auc_score(targets, probabilities, multi_class="ovr")
    assert metrics.macro_roc_auc(probabilities, targets) == pytest.approx(expected)


@given(labelled())
def test_labels_are_scored_one_by_one(case: tuple[Array, Array, Array]) -> None:
    probabilities, decisions, targets = case
    aucs = metrics.label_roc_aucs(probabilities, targets)
    told = []
    for index in range(targets.shape[1]):
        of_label = probabilities[:, index], targets[:, index]
        pair = np.column_stack([1 - of_label[0], of_label[0]])
        assert metrics.label_accuracies(decisions, targets)[index] == pytest.approx(
            sk.accuracy_score(targets[:, index], decisions[:, index])
        )
        assert metrics.label_log_losses(probabilities, targets)[index] == pytest.approx(
            sk.log_loss(of_label[1], pair, labels=[False, True]), abs=1e-12
        )
        assert metrics.label_brier_scores(probabilities, targets)[index] == pytest.approx(
            np.mean((of_label[0] - of_label[1]) ** 2), abs=1e-12
        )
        if len(np.unique(of_label[1])) == 2:
            told.append(sk.roc_auc_score(of_label[1], of_label[0]))
            assert aucs[index] == pytest.approx(told[-1])
        else:
            assert aucs[index] is None
    macro = metrics.macro_label_roc_auc(probabilities, targets)
    assert macro == (pytest.approx(np.mean(told)) if told else None)


@given(labelled())
def test_an_exact_match_needs_every_label(case: tuple[Array, Array, Array]) -> None:
    _, decisions, targets = case
    assert metrics.exact_match(decisions, targets) == pytest.approx(
        np.mean([list(row) == list(wanted) for row, wanted in zip(decisions, targets, strict=True)])
    )


@given(st.data(), st.integers(2, 8), st.integers(1, 2))
def test_values_are_scored_as_scikit_learn_scores_them(data: st.DataObject, rows: int, units: int) -> None:
    numbers = arrays(np.float64, (rows, units), elements=st.integers(-80, 80).map(lambda eighths: eighths / 8))
    values, targets = data.draw(numbers), data.draw(numbers)

    assert metrics.mean_absolute_error(values, targets) == pytest.approx(sk.mean_absolute_error(targets, values))
    assert metrics.root_mean_squared_error(values, targets) ** 2 == pytest.approx(
        sk.mean_squared_error(targets, values), abs=1e-12
    )
    if (targets == targets[0]).all(axis=0).any():
        assert metrics.r2(values, targets) is None
    else:
        assert metrics.r2(values, targets) == pytest.approx(sk.r2_score(targets, values))


@given(st.data(), st.integers(2, 12))
def test_an_auc_asks_only_for_the_order(data: st.DataObject, rows: int) -> None:
    logits = data.draw(arrays(np.float64, rows, elements=st.floats(-5, 5)))
    positive = data.draw(arrays(np.bool_, rows))
    assume(0 < positive.sum() < rows)
    _, ranks = np.unique(logits, return_inverse=True)
    assert metrics.roc_auc(logits, positive) == metrics.roc_auc(ranks.astype(np.float64), positive)


def test_one_impossible_row_does_not_make_the_log_loss_infinite() -> None:
    certain_and_wrong = np.array([[1.0, 0.0], [0.0, 1.0]])
    loss = metrics.log_loss(certain_and_wrong, np.array([1, 1]))
    assert loss == pytest.approx(-np.log(np.finfo(np.float64).eps) / 2)
