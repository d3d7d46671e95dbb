"""The gate: what is refused, and why."""

from __future__ import annotations

import numpy as np
import pytest

from headwise.calibration.folds import probabilities_of
from headwise.calibration.gate import DEMANDS, OTHERS, TELLING, Held, objection, simplest, veto
from headwise.calibration.samples import Samples
from headwise.heads.calibrators import AnyCalibrator, Identity, Temperature
from headwise.heads.links import Float64
from headwise.heads.scores import Form
from support.logits import drawn


def held(samples: Samples, calibrator: AnyCalibrator) -> Held:
    task = "multilabel" if samples.form is Form.MULTILABEL else "binary"
    return Held.of(probabilities_of(calibrator, samples), samples.targets, task)  # type: ignore[arg-type]


def of(probabilities: Float64, targets: list[int]) -> Held:
    p = np.array(probabilities, np.float64)
    return Held.of(np.stack([1 - p, p], axis=1), np.array(targets), "binary")


@pytest.mark.parametrize("form", [Form.BINARY, Form.MULTILABEL])
def test_a_sure_gain_passes(form: Form) -> None:
    samples = drawn(form, rows=400, stretch=3.0)
    assert objection(held(samples, Identity()), held(samples, Temperature(3.0)), "temperature", seed=0) == ""


def test_a_loss_does_not() -> None:
    samples = drawn(Form.BINARY, rows=400)
    assert objection(held(samples, Identity()), held(samples, Temperature(3.0)), "temperature", seed=0) == "no gain"


def test_a_gain_that_may_be_chance_does_not() -> None:
    """Of 400 rows at one half, 210 are positive."""
    targets = [1] * 210 + [0] * 190
    found = objection(of(np.full(400, 0.5), targets), of(np.full(400, 0.52), targets), "platt", seed=0)
    assert found == "the gain is below 2 standard errors"


def test_many_small_gains_do_not_prove_that_there_are_no_errors() -> None:
    """Every one of 100 rows gains, so the mean is many standard errors above 0; yet the sum is 2 nats."""
    targets = [0, 1] * 50
    before, after = (of(np.where(np.arange(100) % 2, p, 1 - p), targets) for p in (0.98, 0.9999))
    found = objection(before, after, "temperature", seed=0)
    assert found.startswith("the evidence is 2.0 nats, and ")
    assert float(found.split()[6]) > DEMANDS["temperature"].nats


def test_one_row_proves_nothing() -> None:
    """A row of 20 nats, and 60 that lose a little."""
    p = np.full(60, 0.05)
    before, after = of(np.append(p, 1e-9), [0] * 60 + [1]), of(np.append(p + 0.001, 0.5), [0] * 60 + [1])
    assert "nats" in objection(before, after, "temperature", seed=0)


def test_one_choice_of_many_has_to_show_more() -> None:
    samples = drawn(Form.BINARY, rows=200, stretch=2.0)
    before, after = held(samples, Identity()), held(samples, Temperature(2.0))
    total = float((before.losses - after.losses).sum() - (before.losses - after.losses).max())
    assert total > DEMANDS["temperature"].nats
    assert objection(before, after, "temperature", seed=0) == ""
    choices = int(np.exp(total - DEMANDS["temperature"].nats)) + 1
    assert "nats" in objection(before, after, "temperature", seed=0, choices=choices)


@pytest.mark.parametrize(("labels", "passes"), [(1, False), (5, True)])
def test_labels_each_add_to_the_evidence(labels: int, passes: bool) -> None:
    samples = drawn(Form.BINARY, rows=200, stretch=1.6, seed=1)
    targets = np.repeat(samples.targets[:, np.newaxis] == 1, labels, axis=1)
    before, after = (
        Held.of(np.repeat(held(samples, by).probabilities[:, 1:], labels, axis=1), targets, "multilabel")
        for by in (Identity(), Temperature(1.6))
    )
    assert (objection(before, after, "temperature", seed=0) == "") is passes


def test_the_brier_score_must_not_rise() -> None:
    """Log loss gains on the few that were impossible, Brier loses on all others."""
    p = np.append(np.full(300, 0.02), np.full(9, 1e-14))
    q = np.append(np.full(300, 0.3), np.full(9, 0.3))
    assert objection(of(p, [0] * 300 + [1] * 9), of(q, [0] * 300 + [1] * 9), "temperature", seed=0) == (
        "the Brier score rises"
    )


def test_the_calibration_error_must_not_rise() -> None:
    """Ranking gains while the level is lost."""
    random = np.random.default_rng(0)
    y = (random.random(2000) < 0.5).astype(int)
    before = of(np.full(2000, 0.5), y.tolist())
    after = of(np.where(random.random(2000) < 0.9, y, 1 - y) * 0.3 + 0.35, y.tolist())
    assert objection(before, after, "temperature", seed=0) == "the calibration error (ECE) rises"


@pytest.mark.parametrize(("rows", "tells"), [(TELLING, True), (TELLING - 1, False)])
def test_the_calibration_error_of_few_rows_says_nothing(rows: int, tells: bool) -> None:
    """Half of the rows are positive, and then half of the positives are told by 0.9."""
    y = [0, 1, 0, 1, 1] * (rows // 5) + [0] * (rows % 5)
    told = np.where(np.array(y) == 1, 0.9, 0.35)
    assert bool(veto(of(np.full(rows, np.mean(y)), y), of(told, y), seed=0)) is tells


def test_answers_must_not_get_worse() -> None:
    """A gain on rows that are far off, at the price of answers near one half."""
    y = [1] * 300 + [0] * 300 + [0] * 30
    before = of(np.repeat([0.51, 0.49, 0.999], [300, 300, 30]), y)
    after = of(np.repeat([0.499, 0.475, 0.6], [300, 300, 30]), y)
    assert objection(before, after, "temperature", seed=0) == "the answers get worse"


def test_many_answers_change_only_if_they_get_better() -> None:
    """A third of the answers turns, as many to right as to wrong, and a few rows that were far off pay for it."""
    y = [0, 1] * 100 + [1] * 400
    before = of(np.append(np.full(200, 0.52), np.full(400, 0.7)), y)
    after = of(np.append(np.full(200, 0.48), np.full(400, 0.75)), y)
    assert objection(before, after, "temperature", seed=0) == (
        "33% of the answers change, and they do not surely get better"
    )


def test_an_ordinal_answer_may_move_nearer() -> None:
    """Both answers are wrong, but the new one by less."""
    truth = np.tile([0, 3], 100)
    old = np.where(truth[:, np.newaxis] == 0, [0.2, 0.1, 0.1, 0.6], [0.6, 0.1, 0.1, 0.2])
    new = np.where(truth[:, np.newaxis] == 0, [0.4, 0.2, 0.2, 0.2], [0.2, 0.2, 0.2, 0.4])
    was, now = (Held.of(p.astype(np.float64), truth, "ordinal") for p in (old, new))
    assert objection(was, now, "temperature", seed=0) == ""


def test_others_are_asked_more_than_a_temperature() -> None:
    assert OTHERS.nats > DEMANDS["temperature"].nats
    assert OTHERS.errors > DEMANDS["temperature"].errors


def test_the_simplest_of_those_as_good_is_taken() -> None:
    samples = drawn(Form.BINARY, rows=500, stretch=3.0)
    right, near, wrong = (held(samples, Temperature(t)) for t in (3.0, 3.05, 2.0))
    assert simplest({"a": near, "b": right}) == "a"
    assert simplest({"a": wrong, "b": right}) == "b"
    assert simplest({"a": wrong, "b": right, "c": right}) == "b"
