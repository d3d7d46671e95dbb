"""Learn-Then-Test against simulators whose truth is known, and binomial tails against scipy.stats.

Bounds on counts of simulated violations: were each run to violate with exactly the allowed chance, more than the
0.999 quantile of the binomial would come up once in a thousand seeds; the seeds are fixed.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from headwise.calibration.tuning import binomial
from headwise.calibration.tuning.guarantees import fewest_positive, fewest_selected, most_sensitive, purest
from support.tuning import calibrated

RUNS = 300
TARGET, CONFIDENCE = 0.9, 0.9
MOST_VIOLATIONS = int(stats.binom.ppf(0.999, RUNS, 1 - CONFIDENCE))
POPULATION = calibrated(np.random.default_rng(99), 400_000)[0]
FALLING = np.sort(POPULATION)[::-1]
PRECISIONS = np.cumsum(FALLING) / np.arange(1, len(FALLING) + 1)
RECALLS = np.cumsum(FALLING) / FALLING.sum()


def _at(cut: float) -> int:
    """The last row of the population at or above a cut."""
    return max(int(np.searchsorted(-FALLING, -cut, side="right")) - 1, 0)


@pytest.mark.parametrize("rows", [100, 400, 2000])
def test_precision_holds_on_fresh_rows_as_often_as_promised(rows: int) -> None:
    rng = np.random.default_rng(rows)
    found = [purest(*calibrated(rng, rows), TARGET, CONFIDENCE) for _ in range(RUNS)]
    kept = [PRECISIONS[_at(one.cut)] >= TARGET for one in found if one is not None]

    assert kept.count(False) <= MOST_VIOLATIONS
    # Where rows are plenty it does find, and not a needlessly strict cut: 28 % of the population qualifies.
    assert rows < 2000 or np.mean([one is not None and one.selected / rows > 0.2 for one in found]) > 0.9


@pytest.mark.parametrize("rows", [100, 2000])
def test_recall_holds_on_fresh_rows_as_often_as_promised(rows: int) -> None:
    rng = np.random.default_rng(rows)
    found = [most_sensitive(*calibrated(rng, rows), TARGET, CONFIDENCE) for _ in range(RUNS)]
    kept = [RECALLS[_at(one.cut)] >= TARGET for one in found if one is not None]

    assert kept.count(False) <= MOST_VIOLATIONS
    assert len(kept) > 0.9 * RUNS


def test_none_is_found_where_nothing_qualifies() -> None:
    rng = np.random.default_rng(0)
    found = [purest(rng.random(1000), rng.random(1000) < 0.88, TARGET, CONFIDENCE) for _ in range(RUNS)]
    assert sum(one is not None for one in found) <= MOST_VIOLATIONS
    hopeless = [purest(rng.random(1000), rng.random(1000) < 0.5, TARGET, CONFIDENCE) for _ in range(20)]
    assert hopeless == [None] * 20


@pytest.mark.parametrize(("search", "fewest"), [(purest, fewest_selected), (most_sensitive, fewest_positive)])
def test_too_few_rows_prove_nothing_however_good_they_are(search: object, fewest: object) -> None:
    least = fewest(TARGET, CONFIDENCE)  # type: ignore[operator]
    scores = np.linspace(0.9, 0.1, least + 1)
    enough, short = np.arange(least + 1) < least, np.arange(least + 1) < least - 1

    assert search(scores, enough, TARGET, CONFIDENCE) is not None  # type: ignore[operator]
    assert search(scores[enough], short[enough], TARGET, CONFIDENCE) is None  # type: ignore[operator]


def test_a_recall_cut_is_the_highest_that_the_binomial_allows() -> None:
    scores, positive = calibrated(np.random.default_rng(5), 500)
    found = most_sensitive(scores, positive, 0.95, 0.9)
    of_positive = np.sort(scores[positive])
    allowed = [
        score for at, score in enumerate(of_positive) if stats.binom.cdf(at, len(of_positive), 0.05) <= 0.1 + 1e-12
    ]
    assert found is not None
    assert found.cut <= allowed[-1]
    assert not ((scores > found.cut) & (scores < allowed[-1])).any()
    assert found.good == (of_positive >= allowed[-1]).sum()


def test_tied_scores_are_selected_together() -> None:
    scores = np.repeat([0.9, 0.6, 0.2], 100)
    good = np.concatenate([np.ones(100, bool), np.tile([True, False], 50), np.zeros(100, bool)])
    found = purest(scores, good, TARGET, CONFIDENCE)
    assert found is not None
    assert (found.cut, found.selected, found.good) == (0.75, 100, 100)


def test_binomial_tails_are_those_of_scipy_stats() -> None:
    rows = np.array([1, 10, 10, 10, 300])
    good = np.array([0, 0, 7, 10, 290])
    np.testing.assert_allclose(binomial.at_least(good, rows, 0.9), stats.binom.sf(good - 1, rows, 0.9))
    np.testing.assert_allclose(binomial.at_most(good[1:4], 10, 0.9), stats.binom.cdf(good[1:4], 10, 0.9))
    exact = stats.binomtest(290, 300, alternative="greater").proportion_ci(0.9, "exact").low
    assert binomial.lower_bound(290, 300, 0.9) == pytest.approx(exact)
    assert binomial.lower_bound(0, 300, 0.9) == 0.0
