"""Prediction sets against numpy's quantile, brute force, and the coverage that theory promises."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats

from headwise.calibration.tuning.conformal import Sets, fewest, quantile, rank, reached, tune_sets
from headwise.calibration.tuning.problem import Problem
from headwise.heads.decisions import Argmax, PredictionSet
from headwise.heads.prediction_sets import Score
from support.tuning import posterior, shifted_classes

Array = NDArray[Any]
LABELS = ("a", "b", "c", "d")
PRIORS = np.array([0.55, 0.3, 0.1, 0.05])


def drawn(seed: int, rows: int) -> tuple[Array, Array]:
    """Calibrated probabilities (rows, 4) and targets."""
    densities, targets = shifted_classes(np.random.default_rng(seed), PRIORS, rows, apart=1.2)
    return posterior(densities, PRIORS), targets


def problem(probabilities: Array, targets: Array) -> Problem:
    return Problem(probabilities, targets, "multiclass", LABELS, Argmax(top_k=2), "coverage>=0.9", 3)


def fitted(probabilities: Array, targets: Array, wanted: Sets) -> PredictionSet:
    rule = tune_sets(problem(probabilities, targets), wanted).rule
    assert isinstance(rule, Argmax)
    assert rule.prediction_set is not None
    return rule.prediction_set


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1)), st.floats(0.05, 0.95))
def test_the_quantile_is_the_smallest_score_that_enough_do_not_exceed(scores: Array, coverage: float) -> None:
    needed = rank(len(scores), coverage)
    found = quantile(scores, coverage)
    if needed > len(scores):
        assert math.isinf(found)
    else:
        assert found == np.quantile(scores, needed / len(scores), method="inverted_cdf")
        assert (scores <= found).sum() >= needed > (scores < found).sum()


def test_whole_ranks_are_not_rounded_up() -> None:
    # In floats 10 * 0.7 is 7.000000000000001 and 100 * 0.07 likewise.
    assert [rank(9, 0.7), rank(99, 0.07), rank(19, 0.95), rank(10, 0.9)] == [7, 7, 19, 10]
    assert [fewest(share) for share in (0.5, 0.8, 0.9, 0.95, 0.99)] == [1, 4, 9, 19, 99]


@pytest.mark.parametrize("score", ["lac", "aps", "raps"])
def test_coverage_on_fresh_rows_is_distributed_as_theory_says(score: Score) -> None:
    # Each run's covered count is beta-binomial(n_cal, n_test): its 95 % interval misses 5 % of 60 runs, and more than
    # the 0.999 quantile of that, 9, once in a thousand seeds. RAPS takes its quantile from four fifths of the rows.
    cal, test, runs = 200, 500, 60
    of_quantile = cal * 4 // 5 if score == "raps" else cal
    at = rank(of_quantile, 0.9)
    low, high = stats.betabinom.ppf([0.025, 0.975], test, at, of_quantile + 1 - at)
    missed, covered = 0, []
    for seed in range(runs):
        probabilities, targets = drawn(seed, cal + test)
        sets = fitted(probabilities[:cal], targets[:cal], Sets(score, 0.9)).contains(probabilities[cal:], 0.9)
        covered.append(int(sets[np.arange(test), targets[cal:]].sum()))
        missed += not low <= covered[-1] <= high
    assert missed <= stats.binom.ppf(0.999, runs, 0.05)
    deviation = stats.betabinom.std(test, at, of_quantile + 1 - at) / math.sqrt(runs)
    assert np.mean(covered) == pytest.approx(test * at / (of_quantile + 1), abs=3.3 * deviation)


def test_each_class_is_covered_where_that_is_asked_for() -> None:
    probabilities, targets = drawn(1, 12_000)
    fresh, truth = probabilities[4000:], targets[4000:]
    shares = {}
    for by_class in (False, True):
        sets = fitted(probabilities[:4000], targets[:4000], Sets("lac", 0.9, by_class)).contains(fresh, 0.9)
        shares[by_class] = [sets[truth == at, at].mean() for at in range(4)]
    # The rarest class has 200 rows to calibrate with and 400 to test: a standard deviation of 0.026.
    assert min(shares[True]) > 0.9 - 3.3 * 0.026
    assert min(shares[False]) < 0.8


def test_a_class_with_too_few_rows_is_in_every_set_and_told() -> None:
    probabilities, targets = drawn(2, 400)
    few = (targets != 3) | (np.cumsum(targets == 3) <= 3)
    tuned = tune_sets(problem(probabilities[few], targets[few]), Sets("aps", 0.9, by_class=True))
    assert isinstance(tuned.rule, Argmax)
    assert tuned.rule.prediction_set is not None
    assert tuned.rule.prediction_set.contains(probabilities, 0.9)[:, 3].all()
    assert "'d', which is therefore in every set" in tuned.reason


def test_too_few_rows_for_a_coverage_find_none_and_say_how_many_it_takes() -> None:
    probabilities, targets = drawn(3, 98)
    tuned = tune_sets(problem(probabilities, targets), Sets("lac", 0.99))
    assert tuned.rule is None
    assert "takes 99 rows or more, and 98" in tuned.reason
    enough = fitted(*drawn(3, 99), Sets("lac", 0.99))
    assert enough.coverages == (0.8, 0.9, 0.95, 0.99)
    assert fitted(probabilities, targets, Sets("lac", 0.85)).coverages == (0.8, 0.85, 0.9, 0.95)


def test_figures_are_measured_on_rows_that_the_quantile_did_not_see() -> None:
    probabilities, targets = drawn(4, 600)
    tuned = tune_sets(problem(probabilities, targets), Sets("lac", 0.9))
    sets = fitted(probabilities, targets, Sets("lac", 0.9)).contains(probabilities, 0.9)
    low, high = tuned.figures["coverage_interval"]

    assert tuned.figures["rows"] == 600
    assert low < tuned.figures["coverage"] < high
    assert tuned.figures["mean_size"] == pytest.approx(sets.sum(axis=1).mean(), abs=0.05)
    assert tuned.figures["empty_share"] + tuned.figures["single_share"] <= 1
    assert set(tuned.figures["coverage_per_class"]) == set(LABELS)


def test_the_interval_of_coverage_is_that_of_the_beta_distribution() -> None:
    assert reached(999, 0.9) == pytest.approx(stats.beta.ppf([0.025, 0.975], 900, 100))


def test_what_the_rule_said_before_stays() -> None:
    before = problem(*drawn(5, 300))
    tuned = tune_sets(dataclasses.replace(before, current=Argmax(objective="accuracy>=0.9")), Sets("lac", 0.9))
    assert tuned.rule is not None
    assert tuned.rule.objective == "accuracy>=0.9; coverage>=0.9"
    kept = tune_sets(before, Sets("lac", 0.9)).rule
    assert kept is not None
    assert kept.top_k == 2
