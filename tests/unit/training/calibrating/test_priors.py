"""Prior correction beside a calibration: from whom to whom, and what it spoils."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headwise.calibration.calibrate import Calibrated
from headwise.calibration.choice import Choice
from headwise.calibration.samples import Samples
from headwise.errors import CalibrationError
from headwise.heads import Head, Identity, Threshold
from headwise.heads.scores import Form
from headwise.training.calibrating import priors

HEAD = Head("binary", "linear", ("no", "yes"), calibration=Identity())


def calibrated(head: Head = HEAD) -> Calibrated:
    """A head whose 400 rows are positive in one of four, and whose logits say so."""
    targets = np.arange(400) % 4 == 0
    logits = np.where(targets, 2.0, -3.0)[:, None]
    p = 1 / (1 + np.exp(-logits))
    both = np.concatenate([1 - p, p], axis=1)
    samples = Samples(logits, targets.astype(np.int64), Form.BINARY, 2)
    return Calibrated(head, Choice(Identity(), "", (), both), samples, both, both, {})


def test_the_shares_of_the_rows_become_those_that_are_given() -> None:
    corrected = priors.given(calibrated(), (0.9, 0.1), "request")

    assert corrected.head.prior is not None
    assert corrected.head.prior.source == (0.75, 0.25)
    assert corrected.head.prior.target == (0.9, 0.1)
    assert (corrected.evidence, corrected.warnings) == ({"source": "request"}, ())


@pytest.mark.parametrize(
    ("shares", "reason"),
    [
        ((0.9,), "0.9: a share for each of 'no', 'yes' is expected"),
        ((0.5, 0.6), "0.5, 0.6: target sums to 1.1"),
        ((1.0, 0.0), r"1, 0: target\[0\] is 1.0"),
        ((float("nan"), 0.5), r"nan, 0.5: target\[0\] is nan"),
    ],
)
def test_shares_that_are_none_are_refused_with_what_was_given(shares: tuple[float, ...], reason: str) -> None:
    with pytest.raises(CalibrationError, match=f"target prior {reason}"):
        priors.check_target(shares, HEAD)


def test_a_margin_that_no_calibrator_was_taken_for_has_nothing_to_correct() -> None:
    with pytest.raises(CalibrationError, match=r"target prior 0.9, 0.1: .* has no probability to correct"):
        priors.given(calibrated(replace(HEAD, activation="tanh")), (0.9, 0.1), "request")


def test_labels_that_may_hold_together_have_shares_that_do_not_sum_to_one() -> None:
    priors.check_target((0.9, 0.9, 0.4), Head("multilabel", "linear", ("a", "b", "c")))


def test_shares_are_estimated_from_rows_without_targets() -> None:
    one = calibrated()
    now = np.concatenate([one.before[one.samples.targets == 0], np.repeat(one.before[:1], 300, axis=0)])
    corrected = priors.estimated(one, now, "new.csv", seed=0)

    assert corrected.head.prior is not None
    assert corrected.head.prior.target[1] > 0.4, "half of them look positive"
    assert corrected.evidence["source"] == "estimated"
    assert (corrected.evidence["data"], corrected.evidence["rows"]) == ("new.csv", 600)
    low, high = corrected.evidence["intervals"][1]
    assert low < corrected.head.prior.target[1] < high


@pytest.mark.parametrize(("objective", "warned"), [("f1", True), ("cost:1:5", False), (None, False)])
def test_a_decision_that_was_tuned_without_the_prior_is_warned_about(objective: str | None, warned: bool) -> None:
    tuned = replace(HEAD, decision=Threshold(0.3, objective=objective))

    assert bool(priors.given(calibrated(tuned), (0.9, 0.1), "request").warnings) == warned


def test_only_objectives_that_hold_at_any_shares_go_with_a_prior() -> None:
    for objective in (None, "cost:1:5"):
        priors.check_objective(objective)
    with pytest.raises(CalibrationError, match="objective 'f1' is tuned at the class shares of the calibration rows"):
        priors.check_objective("f1")
