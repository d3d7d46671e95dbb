"""What of a decision stands when its calibrator is replaced."""

from __future__ import annotations

from dataclasses import replace

from headwise.calibration.inherited import inherited
from headwise.heads import Abstain, Argmax, Head, Identity, Platt, PredictionSet, Temperature, Threshold

BINARY = Head("binary", "linear", ("no", "yes"))
MARGIN = Head("binary", "tanh", ("no", "yes"), calibration=Platt(1.0, 0.0), decision=Threshold(0.3))
SETS = PredictionSet("lac", 0.9, {"0.9": 0.8})


def test_a_decision_stays() -> None:
    rule = Threshold(0.3, {"screening": 0.1})
    before = replace(BINARY, decision=rule)
    assert inherited(before, replace(BINARY, calibration=Temperature(2.0)), tuned_now=False).rule == rule
    assert inherited(before, replace(BINARY, calibration=Temperature(2.0)), tuned_now=False).warnings == ()
    assert inherited(BINARY, BINARY, tuned_now=False).rule is None


def test_a_tuned_decision_of_another_calibration_is_told() -> None:
    before = replace(BINARY, decision=Threshold(0.3, objective="f1"))
    after = replace(BINARY, calibration=Temperature(2.0))
    (told,) = inherited(before, after, tuned_now=False).warnings
    assert told == "the card's decision was tuned (f1) for the calibration before: give that objective again"
    assert inherited(before, after, tuned_now=True).warnings == ()
    assert inherited(before, BINARY, tuned_now=False).warnings == ()


def test_prediction_sets_of_another_calibration_are_dropped() -> None:
    rule = Argmax(abstain=Abstain(floor=0.4, set=True), prediction_set=SETS, top_k=2)
    before = Head("multiclass", "linear", ("a", "b", "c"), decision=rule)
    found = inherited(before, replace(before, calibration=Temperature(2.0), decision=None), tuned_now=False)
    assert found.rule == Argmax(abstain=Abstain(floor=0.4), top_k=2)
    assert "were dropped" in found.warnings[0]
    only = replace(before, decision=replace(rule, abstain=Abstain(set=True)))
    assert inherited(
        only, replace(before, calibration=Temperature(2.0), decision=None), tuned_now=False
    ).rule == Argmax(top_k=2)
    assert inherited(before, replace(before, decision=None), tuned_now=False).rule == rule


def test_a_margin_that_lost_its_calibrator_lost_its_decision() -> None:
    bare = replace(MARGIN, calibration=Identity(), decision=None)
    found = inherited(MARGIN, bare, tuned_now=True)
    assert found.rule is None
    (told,) = found.warnings
    assert told.endswith("decided at 0: the decision that the card had is gone and the objective was not tuned")
    assert inherited(replace(MARGIN, decision=None), bare, tuned_now=False).warnings == ()
