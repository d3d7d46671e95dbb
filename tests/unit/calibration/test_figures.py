"""Which figures a head gets."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from headwise.calibration.figures import figures
from headwise.heads import Head

RANDOM = np.random.default_rng(0)


def test_a_binary_head_is_scored_on_its_positive_class() -> None:
    logits, targets = RANDOM.normal(size=40), RANDOM.integers(0, 2, 40)
    found = figures(Head("binary", "linear", ("no", "yes")).predict(logits), targets)

    p = 1 / (1 + np.exp(-logits))
    assert dict(found.overall) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(targets, logits >= 0),
            "balanced_accuracy": sk.balanced_accuracy_score(targets, logits >= 0),
            "log_loss": sk.log_loss(targets, p),
            "brier_score": sk.brier_score_loss(targets, p),
            "roc_auc": sk.roc_auc_score(targets, p),
        }
    )
    np.testing.assert_array_equal(found.confusion, sk.confusion_matrix(targets, logits >= 0))


def test_a_margin_has_an_order_and_no_probability() -> None:
    found = figures(Head("binary", "tanh", ("no", "yes")).predict([-0.5, 0.5]), np.array([0, 1]))
    assert found.overall == {
        "accuracy": 1.0,
        "balanced_accuracy": 1.0,
        "log_loss": None,
        "brier_score": None,
        "roc_auc": 1.0,
    }


def test_positions_count_as_rows() -> None:
    raw = np.array([[[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]])
    found = figures(Head("multiclass", "linear", ("a", "b", "c")).predict(raw), np.array([0, 2]))
    assert found.overall["accuracy"] == 0.5
    assert found.confusion is not None
    assert found.confusion.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_labels_are_scored_each_and_together() -> None:
    head = Head("multilabel", "sigmoid", ("x", "y"))
    targets = np.array([[True, False], [True, True], [False, False]])
    found = figures(head.predict(np.array([[0.9, 0.2], [0.8, 0.4], [0.1, 0.3]])), targets)

    assert found.overall["exact_match"] == pytest.approx(2 / 3)
    assert found.overall["accuracy"] == pytest.approx(5 / 6)
    assert found.by_label["x"]["accuracy"] == 1.0
    assert found.by_label["y"]["accuracy"] == pytest.approx(2 / 3)
    assert found.by_label["y"]["roc_auc"] == 1.0
    assert found.confusion is None


def test_an_ordinal_head_is_told_how_far_it_misses() -> None:
    head = Head("ordinal", "linear", ("low", "middle", "high"))
    found = figures(head.predict(np.array([[-3.0, -4.0], [3.0, 2.0]])), np.array([2, 2]))
    assert found.overall["accuracy"] == 0.5
    assert found.overall["mean_distance"] == 1.0
    assert "roc_auc" not in found.overall


def test_values_are_measured() -> None:
    found = figures(Head("regression", "linear").predict([1.0, 2.0, 4.0]), np.array([[1.0], [2.0], [3.0]]))
    assert dict(found.overall) == pytest.approx(
        {"r2": 0.5, "mean_absolute_error": 1 / 3, "root_mean_squared_error": np.sqrt(1 / 3)}
    )
