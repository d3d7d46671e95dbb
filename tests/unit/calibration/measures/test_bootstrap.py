"""Bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pytest

from headwise.calibration.measures import bootstrap
from headwise.calibration.measures.bootstrap import FEWEST, MOST, intervals, resamples
from headwise.calibration.measures.measure import RowMean, figure, measures

RANDOM = np.random.default_rng(5)
ROWS = 300
LOSSES = RANDOM.exponential(size=ROWS)
OWN = np.arange(ROWS)


def test_the_interval_of_a_mean_is_that_of_the_central_limit() -> None:
    mean = RowMean(LOSSES)
    low, high = intervals({"loss": mean}, {"loss": LOSSES.mean()}, OWN, seed=0, count=4000)["loss"]
    half = 1.96 * LOSSES.std() / np.sqrt(ROWS)
    # A percentile of 4,000 resamples is known to about 0.02 of the half width each.
    assert low == pytest.approx(LOSSES.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(LOSSES.mean() + half, abs=0.1 * half)


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        losses = np.random.default_rng(seed).exponential(size=100)
        low, high = intervals({"x": RowMean(losses)}, {"x": losses.mean()}, np.arange(100), seed=seed, count=200)["x"]
        covered += low <= 1.0 <= high
    # Binomial(200, 0.92): a percentile interval of 100 skewed rows is a little short; 1 in 1,000 lies below 170.
    assert covered >= 170


def test_the_seed_decides() -> None:
    mean, found = {"x": RowMean(LOSSES)}, {"x": float(LOSSES.mean())}
    first = intervals(mean, found, OWN, seed=1, count=FEWEST)
    assert intervals(mean, found, OWN, seed=1, count=FEWEST) == first
    assert intervals(mean, found, OWN, seed=2, count=FEWEST) != first


def test_positions_of_one_input_are_drawn_together() -> None:
    # Four positions with one loss are one observation: the interval is that of 75 rows, twice as wide.
    losses = np.repeat(LOSSES[:75], 4)
    mean, found = {"x": RowMean(losses)}, {"x": float(losses.mean())}
    together = intervals(mean, found, np.repeat(np.arange(75), 4), seed=0, count=2000)["x"]
    apart = intervals(mean, found, OWN, seed=0, count=2000)["x"]
    assert (together[1] - together[0]) / (apart[1] - apart[0]) == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "ordinal"])
def test_an_interval_holds_its_figure(task: str) -> None:
    classes = 2 if task == "binary" else 3
    p = RANDOM.dirichlet([0.5] * classes, ROWS)
    targets = RANDOM.random(p.shape) < p if task == "multilabel" else (RANDOM.random((ROWS, 1)) > p.cumsum(1)).sum(1)
    of_rows = measures(p, np.minimum(targets, classes - 1) if targets.ndim == 1 else targets, task, fine=False)  # type: ignore[arg-type]
    figures = {name: figure(measure, ROWS) for name, measure in of_rows.items()}
    for name, (low, high) in intervals(of_rows, figures, OWN, seed=0, count=60).items():
        assert 0 <= low <= figures[name] <= high, name


def test_many_rows_of_many_classes_get_fewer_resamples() -> None:
    assert (resamples(1000, 10), resamples(25_000, 100), resamples(0, 2)) == (MOST, FEWEST, MOST)


def test_what_is_drawn_at_once_changes_nothing() -> None:
    whole = np.concatenate(list(bootstrap._draw(OWN, 0, 50, at_once=10**9)))
    parts = np.concatenate(list(bootstrap._draw(OWN, 0, 50, at_once=7 * ROWS)))
    np.testing.assert_array_equal(whole, parts)
    assert (whole.sum(axis=1) == ROWS).all()
