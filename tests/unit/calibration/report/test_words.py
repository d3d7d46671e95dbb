"""What was chosen and why, in sentences."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headwise.calibration.report import words
from headwise.heads import CALIBRATORS, Abstain, Argmax, Beta, EachLabel, Head, Identity, Platt, Vector
from headwise.heads.calibrators import AnyCalibrator
from headwise.heads.decisions import RULES
from support.calibrations import KINDS, calibration


def test_every_calibrator_and_every_rule_has_its_words() -> None:
    assert words.DOES.keys() == CALIBRATORS.keys()
    assert words.RULES.keys() == {(task, rule) for task, rules in RULES.items() for rule in rules}


@pytest.mark.parametrize(
    ("calibrator", "told"),
    [
        (Platt(0.5, -0.25), "sigmoid(0.5 z -0.25)"),
        (Beta(1.0, 0.5, 0.1), "1 log p - 0.5 log(1 - p) +0.1"),
        (Vector((1.0, 0.5), (0.0, -2.0)), "slope (0.5 to 1) and intercept (-2 to 0)"),
        (EachLabel((Platt(0.5, 0.0), Identity(), Platt(1.5, 0.0))), "platt for 2, identity for 1"),
    ],
)
def test_a_calibrator_says_what_it_does(calibrator: AnyCalibrator, told: str) -> None:
    one = calibration("binary")
    text = words.chosen(replace(one, choice=replace(one.choice, calibrator=calibrator)))
    assert text.startswith(f"Chosen: {calibrator.method}, which ")
    assert told in text
    assert one.choice.reason in text


def test_a_refusal_is_said_with_its_reason() -> None:
    one = calibration("tiny")
    assert words.chosen(one).startswith("Nothing was changed")
    assert one.choice.reason in words.chosen(one)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_said_with_what_was_measured(kind: str) -> None:
    one = calibration(kind)
    rows = f"{len(one.samples):,} rows"
    assert rows in words.measured(one)
    assert rows in " ".join(words.decided(one))
    if decision := one.evidence.get("decision"):
        assert words.tuned(decision, len(one.samples)).startswith(f"Tuned for {decision['objective']} on {rows}: ")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("binary", "A row is 'yes' where the probability of that is 0.3641 or more"),
        ("binary", "It was tuned for f1."),
        ("binary cost", "'yes' from a probability of 0.2 on."),
        ("binary cost", "the cheapest answer is expected to cost more than 0.4"),
        ("tiny", "This is the default."),
        ("margin", "where its margin is 0 or more"),
        ("prior", "The card's prior correction comes after calibration"),
        ("multiclass abstaining", "below 0.6 or where the largest probability exceeds the second by less than 0.3"),
        ("multiclass cost", "The card says so."),
        ("multilabel", "reaches its own cut"),
        ("ordinal", "Prediction sets (aps) are made to hold the true class of 0.8 of all rows"),
    ],
)
def test_the_decision_is_said(kind: str, told: str) -> None:
    assert told in " ".join(words.decided(calibration(kind)))


def test_a_set_may_withhold_the_answer() -> None:
    one = calibration("ordinal")
    assert one.head.decision is not None
    sets = getattr(one.head.decision, "prediction_set")  # noqa: B009 - the rules differ in their parts
    head = Head(
        "multiclass", "linear", one.head.labels, decision=Argmax(abstain=Abstain(set=True), prediction_set=sets)
    )
    assert "the prediction set has not exactly one class" in " ".join(words.decided(replace(one, head=head)))


def test_sources_that_are_known_are_told() -> None:
    known = {"data": "holdout.npz", "expires": "2027-01-31", "seed": 3, "versions": {"numpy": "2"}, "rows": 5}
    assert list(words.provenance(known)) == [
        ("data", "holdout.npz"),
        ("expires", "2027-01-31"),
        ("seed", "3"),
        ("versions", "numpy 2"),
    ]
