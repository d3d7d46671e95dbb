"""The numbers behind the threshold plots: those of scikit-learn, and of the head's own answers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from headwise.calibration.answers import answer
from headwise.calibration.report import curves
from headwise.calibration.report.curves import Errors, Panel
from headwise.heads import PerLabel, Threshold
from support.calibrations import COSTS, calibration


def at(panel: Panel, curve: str, cut: float) -> float:
    (index,) = np.flatnonzero(panel.cuts == cut)
    return float(panel.curves[curve][index])


def chosen(panel: Panel) -> float:
    assert panel.chosen is not None
    return panel.chosen


def test_a_binary_head_is_told_over_its_cut() -> None:
    one = calibration("binary")
    (panel,) = curves.of(one)
    assert isinstance(one.head.decision, Threshold)
    assert (panel.label, panel.chosen, panel.named) == (1, one.head.decision.threshold, {"screening": 0.1})
    truth = one.samples.targets
    for cut in (0.0, chosen(panel), *map(float, panel.cuts[[20, 90, 150]])):
        on = one.after[:, 1] >= cut
        for curve, score in (("precision", sk.precision_score), ("recall", sk.recall_score), ("F1", sk.f1_score)):
            assert at(panel, curve, cut) == pytest.approx(score(truth, on))
        constant = min(truth.mean(), 1 - truth.mean())
        assert at(panel, "relative cost", cut) == pytest.approx(np.mean(on != truth) / constant)
    assert np.isnan(panel.curves["precision"][-1]) == (one.after[:, 1].max() < 1)
    assert panel.curves["recall"][0] == 1.0


def test_costs_of_the_decision_are_those_of_the_curve() -> None:
    one = calibration("binary cost")
    panel, abstention = curves.of(one)
    assert curves.errors(one) == Errors(1.0, 4.0)
    assert panel.note == "false alarm 1, miss 4"
    on, truth = one.after[:, 1] >= chosen(panel), one.samples.targets == 1
    paid = (on & ~truth).sum() + 4 * (~on & truth).sum()
    assert at(panel, "relative cost", chosen(panel)) == pytest.approx(paid / min((~truth).sum(), 4 * truth.sum()))
    assert abstention.chosen == 0.4
    assert panel.chosen == pytest.approx(0.2)


def test_each_label_has_its_own() -> None:
    one = calibration("multilabel")
    panels = curves.of(one)
    assert isinstance(one.head.decision, PerLabel)
    assert [panel.chosen for panel in panels] == list(one.head.decision.thresholds.values())
    assert [panel.label for panel in panels] == [0, 1, 2, 3]
    for label, panel in enumerate(panels):
        on, truth = one.after[:, label] >= chosen(panel), one.samples.targets[:, label]
        assert at(panel, "F1", chosen(panel)) == pytest.approx(sk.f1_score(truth, on))


def test_an_objective_says_what_errors_of_labels_cost() -> None:
    assert curves.errors(calibration("sixty labels")) == Errors(1.0, 4.0)
    assert curves.errors(calibration("multilabel")) == Errors(1.0, 1.0)


def test_what_cannot_be_counted_is_nan_and_warns_nobody() -> None:
    scores, never = np.array([0.2, 0.8]), np.zeros(2, np.bool_)
    found = curves._worth(scores, never, np.array([0.0, 0.5, 1.0]), Errors())
    np.testing.assert_array_equal(found["precision"], [0, 0, np.nan])
    np.testing.assert_array_equal(found["recall"], [np.nan] * 3)
    np.testing.assert_array_equal(found["relative cost"], [np.nan] * 3)
    np.testing.assert_array_equal(found["F1"], [0, 0, np.nan])


def test_classes_are_told_over_the_floor() -> None:
    one = calibration("multiclass")
    (panel,) = curves.of(one)
    right = one.after.argmax(axis=1) == one.samples.targets
    assert (panel.label, panel.chosen) == (None, None)
    assert at(panel, "share answered", 0.0) == 1.0
    assert at(panel, "accuracy of the answers", 0.0) == pytest.approx(right.mean())
    cut = float(panel.cuts[len(panel.cuts) // 2])
    kept = one.after.max(axis=1) >= cut
    assert at(panel, "share answered", cut) == pytest.approx(kept.mean())
    assert at(panel, "accuracy of the answers", cut) == pytest.approx(right[kept].mean())


@pytest.mark.parametrize(
    ("kind", "limits"), [("binary cost", [0.4]), ("multiclass abstaining", [0.6, 0.3]), ("multiclass cost", [0.9])]
)
def test_limits_leave_what_the_head_answers(kind: str, limits: list[float]) -> None:
    one = calibration(kind)
    panels = [panel for panel in curves.of(one) if panel.label is None]
    assert [panel.chosen for panel in panels] == limits
    answers = answer(one.head, one.after).indices
    assert answers is not None
    kept = answers >= 0
    shares = [at(panel, "share answered", chosen(panel)) for panel in panels]
    assert min(shares) >= kept.mean()
    if len(panels) == 1:
        assert shares == [pytest.approx(kept.mean())]
        right = (answers == one.samples.targets)[kept].mean()
        assert at(panels[0], "accuracy of the answers", limits[0]) == pytest.approx(right)


def test_an_expected_cost_may_exceed_one() -> None:
    (panel,) = curves.of(calibration("multiclass cost"))
    assert np.all(np.diff(panel.cuts) > 0)
    assert panel.cuts[-1] <= np.max(COSTS)
    assert panel.curves["share answered"][-1] == 1.0


def test_an_ordinal_head_answers_its_median() -> None:
    one = calibration("ordinal")
    (panel,) = curves.of(one)
    answers = answer(one.head, one.after).indices
    assert at(panel, "accuracy of the answers", 0.0) == pytest.approx(np.mean(answers == one.samples.targets))
