"""Exact binomial tails."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.heads.links import Float64

Counts = NDArray[np.integer[Any]]


def at_least(good: Counts, rows: Counts, share: float) -> Float64:
    """P(Bin(rows, share) >= good), element by element."""
    from scipy.special import bdtrc  # noqa: PLC0415 - the gateway must not load it

    return np.where(good > 0, bdtrc(np.maximum(good - 1.0, 0.0), rows, share), 1.0)


def at_most(count: Counts, rows: int, share: float) -> Float64:
    """P(Bin(rows, share) <= count), element by element."""
    from scipy.special import bdtr  # noqa: PLC0415 - the gateway must not load it

    return np.asarray(bdtr(count.astype(np.float64), rows, share))


def lower_bound(good: int, rows: int, confidence: float) -> float:
    """The lower end of the one-sided exact interval of a share (Clopper, Pearson 1934)."""
    return beta_quantile(good, rows - good + 1, 1.0 - confidence) if good else 0.0


def beta_quantile(a: int, b: int, share: float) -> float:
    """Below which Beta(a, b) lies with this probability."""
    from scipy.special import betaincinv  # noqa: PLC0415 - the gateway must not load it

    return float(betaincinv(a, b, share))
