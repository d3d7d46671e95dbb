"""Bets: how likely each calibrator is, what it risks, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headwise.calibration.bayes import posterior
from headwise.calibration.bayes.grid import grid
from headwise.calibration.bayes.posterior import LIKELY_MUCH_WORSE, LIKELY_WORSE, Bet, bets, bets_and_held
from headwise.calibration.folds import deal, probabilities_of, splits
from headwise.calibration.samples import Samples
from headwise.heads.calibrators import Identity, Platt, Temperature, TemperatureMixture
from headwise.heads.scores import Form
from support.logits import drawn, losses

CERTAIN = Bet(Temperature(2.0), change=-0.2, worse=0.0, much=0.0)


def test_a_sure_gain_has_no_objection() -> None:
    assert CERTAIN.objection() == ""


@pytest.mark.parametrize(
    ("bet", "objection"),
    [
        (replace(CERTAIN, change=0.0), "no gain is to be expected"),
        (replace(CERTAIN, worse=0.125), "the log loss rises with a probability of 12.5%, above 0.05"),
        (replace(CERTAIN, much=0.04), "the log loss rises by 7% with a probability of 4.0%, above 0.02"),
    ],
)
def test_what_is_refused(bet: Bet, objection: str) -> None:
    assert bet.objection() == objection


def test_one_choice_of_many_has_to_be_surer() -> None:
    assert replace(CERTAIN, worse=LIKELY_WORSE / 2).objection() == ""
    assert replace(CERTAIN, worse=LIKELY_WORSE / 2).objection(choices=4) != ""
    assert replace(CERTAIN, much=LIKELY_MUCH_WORSE / 2).objection(choices=4) != ""


@pytest.mark.parametrize("form", list(Form))
def test_every_method_of_the_grid_has_its_best(form: Form) -> None:
    found = bets(drawn(form, rows=60), Identity())
    assert found.keys() == {calibrator.method for calibrator in grid(form).calibrators}
    assert all(bet.calibrator.method == method for method, bet in found.items())


@pytest.mark.parametrize("form", list(Form))
def test_it_finds_what_stretched_the_logits(form: Form) -> None:
    found = bets(drawn(form, rows=900, stretch=3.0), Identity())["temperature"]
    assert isinstance(found.calibrator, Temperature)
    assert found.calibrator.temperature == pytest.approx(3.0, rel=0.25)
    assert found.objection() == ""
    assert found.worse < 1e-6


def test_it_finds_what_shifted_the_logits() -> None:
    samples = drawn(Form.BINARY, rows=900)
    found = bets(Samples(samples.logits + 1.0, samples.targets, Form.BINARY, 2), Identity())["platt"]
    assert isinstance(found.calibrator, Platt)
    assert found.calibrator.intercept == pytest.approx(-1.0, abs=0.21)
    assert found.objection() == ""


@pytest.mark.parametrize("form", list(Form))
def test_a_model_that_is_right_is_not_betted_against(form: Form) -> None:
    taken = [
        bet for seed in range(10) for bet in bets(drawn(form, rows=60, seed=seed), Identity()).values()
        if not bet.objection()
    ]  # fmt: skip
    assert len(taken) <= 3


def test_fewer_rows_take_smaller_steps() -> None:
    """Ten rows of a model that is far too sure say so; that it is eight times too sure, they cannot know."""
    few, many = (bets(drawn(Form.MULTILABEL, rows=rows, stretch=8.0), Identity())["temperature"] for rows in (10, 900))
    assert isinstance(few.calibrator, Temperature)
    assert isinstance(many.calibrator, Temperature)
    assert 1.0 < few.calibrator.temperature < many.calibrator.temperature


def test_rows_without_errors_do_not_make_it_surer_than_they_can_know() -> None:
    """Sixty right answers of 0.98: a colder temperature gains on each, and may lose it all on the first error."""
    targets = np.arange(60) % 2
    samples = Samples(np.where(targets == 1, 4.0, -4.0)[:, np.newaxis], targets, Form.BINARY, 2)
    assert all(bet.objection() for bet in bets(samples, Identity()).values())


def test_labels_that_repeat_one_another_prove_no_more() -> None:
    alone = drawn(Form.MULTILABEL, rows=100, stretch=1.5, seed=3)
    one = Samples(alone.logits[:, :1], alone.targets[:, :1], Form.MULTILABEL, 1)
    ten = Samples(np.repeat(one.logits, 10, axis=1), np.repeat(one.targets, 10, axis=1), Form.MULTILABEL, 10)
    first, second = (posterior._trust(samples, Identity(), Temperature(1.5)) for samples in (one, ten))
    assert 10 * second == pytest.approx(first)


def test_rows_that_cannot_tell_leave_the_likelier_one() -> None:
    """Logits so large that no temperature changes a probability; later rows may be smaller."""
    targets = np.arange(60) % 2
    told = np.where(np.arange(60) < 5, 1 - targets, targets)
    samples = Samples(np.where(told == 1, 1e4, -1e4)[:, np.newaxis], targets, Form.BINARY, 2)
    found = bets(samples, Identity())
    assert found["temperature"].calibrator == Temperature(1.0)
    mixed = found["temperature_mixture"].calibrator
    assert isinstance(mixed, TemperatureMixture)
    assert mixed.temperature == 1.0


def test_labels_of_a_row_count_as_one() -> None:
    assert posterior._trust(drawn(Form.MULTILABEL, rows=100), Identity(), Temperature(1.5)) <= 1 / 3


def test_a_few_surely_wrong_rows_count_for_less() -> None:
    """Three rows of a hundred are impossible; a plain likelihood would explain nothing but them."""
    samples = drawn(Form.BINARY, rows=100, seed=4)
    logits = samples.logits.copy()
    logits[:3, 0] = np.where(samples.targets[:3] == 1, -40.0, 40.0)
    broken = Samples(logits, samples.targets, Form.BINARY, 2)
    assert posterior._trust(samples, Identity(), Temperature(1.5)) > 0.5
    assert posterior._trust(broken, Identity(), Temperature(1.5)) < 0.1


def test_expected_losses_are_those_of_the_definition() -> None:
    samples = drawn(Form.MULTICLASS, rows=7)
    calibrators = (Temperature(1.0), Temperature(2.0), Temperature(0.5))
    found = posterior._losses(samples, calibrators)
    p = [probabilities_of(calibrator, samples) for calibrator in calibrators]
    np.testing.assert_allclose(found.expected, [[-(right * np.log(of)).sum() for of in p] for right in p], rtol=1e-12)
    np.testing.assert_allclose(
        found.observed, [losses(calibrator, samples).sum() for calibrator in calibrators], rtol=1e-12
    )


def test_blocks_change_nothing() -> None:
    samples, among = drawn(Form.MULTICLASS, rows=50, stretch=2.0), grid(Form.MULTICLASS).calibrators
    blocked, whole = posterior._losses(samples, among, block=20_000), posterior._losses(samples, among)
    np.testing.assert_allclose(blocked.expected, whole.expected, rtol=1e-12)
    np.testing.assert_allclose(blocked.observed, whole.observed, rtol=1e-12)


@pytest.mark.parametrize("form", list(Form))
def test_bets_of_folds_are_those_of_their_rows(form: Form) -> None:
    samples = drawn(form, rows=80, stretch=2.0)
    dealt = deal(samples, 4, seed=0)
    every, folds = bets_and_held(samples, dealt, Identity())
    for found, expected in zip(
        (every, *folds), (bets(samples, Identity()), *(bets(samples.take(of), Identity()) for of, _ in splits(dealt))),
        strict=True,
    ):  # fmt: skip
        assert found.keys() == expected.keys()
        for method, bet in found.items():
            assert bet.calibrator == expected[method].calibrator
            assert bet.change == pytest.approx(expected[method].change, abs=1e-9)


def test_a_refused_method_says_what_it_risks() -> None:
    """Ten rows a little too sure: a gain may be expected of a temperature above 1, and no one knows."""
    bet = bets(drawn(Form.BINARY, rows=10, stretch=1.5, seed=1), Identity())["temperature"]
    assert "rises" in bet.objection()
    assert bet.change < 0
