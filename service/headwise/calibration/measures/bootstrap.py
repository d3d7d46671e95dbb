"""How far figures would vary on other rows: the bootstrap, seeded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.measures.measure import Measure
from headwise.heads.links import Float64

Interval = tuple[float, float]

MOST, FEWEST = 500, 200
"""Resamples; fewer for many rows and classes."""

WORK = 1e7
"""Rows times classes times resamples that are spent; FEWEST is kept to whatever it costs."""

_AT_ONCE = 2**22
"""Weights in memory at one time."""


def resamples(rows: int, classes: int) -> int:
    """How many resamples data of this size get."""
    return int(np.clip(WORK / max(rows * classes, 1), FEWEST, MOST))


def intervals(
    measures: Mapping[str, Measure],
    figures: Mapping[str, float],
    items: NDArray[np.int64],
    *,
    seed: int,
    count: int,
    share: float = 0.95,
) -> dict[str, Interval]:
    """An interval about each figure, by the percentiles of its measure over `count` resamples (Efron 1979).

    items: (rows,) what each row belongs to, rising from 0: whole items are drawn, since positions of one input are
    alike.
    A resample adds its own noise to a binned error, and so lies above it: the mean of the resamples is moved to the
    figure itself before percentiles are taken.
    """
    drawn = [{name: measure(weights) for name, measure in measures.items()} for weights in _draw(items, seed, count)]
    return {name: _interval(figures[name], np.concatenate([one[name] for one in drawn]), share) for name in measures}


def _interval(figure: float, values: Float64, share: float) -> Interval:
    low, high = np.quantile(values - values.mean() + figure, [(1 - share) / 2, (1 + share) / 2])
    return max(float(low), 0.0), max(float(high), 0.0)


def _draw(items: NDArray[np.int64], seed: int, count: int, at_once: int = _AT_ONCE) -> Iterator[Float64]:
    """Weights (some, rows), how often each row is drawn, `count` in all; the same for any size of `some`."""
    random = np.random.default_rng(seed)
    total = int(items[-1]) + 1
    own = total == len(items)
    some = max(1, min(count, at_once // len(items)))
    for start in range(0, count, some):
        here = min(some, count - start)
        draws = random.integers(0, total, (here, total)) + np.arange(here)[:, np.newaxis] * total
        weights = np.bincount(draws.ravel(), minlength=here * total).reshape(here, total).astype(np.float64)
        yield weights if own else weights[:, items]
