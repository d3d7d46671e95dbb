"""What data says of a head: its targets, and the raw output that the model gives for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise.heads.contract import CONTRADICTION, room

FEW = 20
"""Fewer rows than this say nothing about what a head does, or which labels go together, in general."""
MANY = 1000
"""More distinct values than this are not counted."""


@dataclass(frozen=True, slots=True)
class Targets:
    """shape: as given, rows first. distinct: how many values there are, counted up to `MANY`.

    integers: all are whole numbers. zero_one: all are 0 or 1. one_hot: 0/1 rows of two columns or more with
    exactly one 1 each.
    """

    shape: tuple[int, ...]
    low: float
    high: float
    distinct: int
    integers: bool
    zero_one: bool
    one_hot: bool

    @property
    def columns(self) -> int:
        """The size of the last axis; one for a vector (rows,)."""
        return 1 if len(self.shape) == 1 else self.shape[-1]


@dataclass(frozen=True, slots=True)
class Raw:
    """rows: positions count as rows. axes: of the output, batch and units included.

    low, high: of the finite numbers. room: how far they may miss the range of their activation.
    broken: rows with NaN or infinity; -inf counts only where the whole row is (log(0) of one class is fair).
    row_sum_error, exp_sum_error: the largest distance from 1 of a row's sum, of the sum of its exponentials.
    simplex: share of rows in [0, 1] that sum to 1. unit_interval: share of rows in [0, 1].
    constant: units that give one and the same number for every row.
    ends: share of rows that hold a number at an end of [0, 1]: exactly 1, or with one unit exactly 0.
    only_ends: share of rows that hold nothing but 0 and 1.
    pair_sum: for two units, the standard deviation of z0 + z1 as a share of that of z1 - z0.
    """

    rows: int
    units: int
    axes: int
    low: float
    high: float
    room: float
    broken: int
    row_sum_error: float
    exp_sum_error: float
    simplex: float
    unit_interval: float
    constant: tuple[int, ...]
    ends: float
    only_ends: float
    pair_sum: float | None


@dataclass(frozen=True, slots=True)
class DataFacts:
    """Filled by `observe`; None where it was not given, or is empty."""

    targets: Targets | None = None
    raw: Raw | None = None


def observe(raw: ArrayLike | None = None, targets: ArrayLike | None = None) -> DataFacts:
    """raw: (batch, *positions, units) or (batch,); targets: class indices, a 0/1 matrix, or values.

    Raises: ValueError for what is no array of numbers.
    """
    return DataFacts(
        targets=None if targets is None else _targets(np.asarray(targets)),
        raw=None if raw is None else _raw(np.asarray(raw)),
    )


def _targets(given: NDArray[Any]) -> Targets | None:
    if given.size == 0 or given.ndim == 0:
        return None
    values = given.astype(np.float64)
    found = np.unique(values)
    zero_one = bool(np.isin(found, (0.0, 1.0)).all())
    return Targets(
        shape=given.shape,
        low=float(found[0]),
        high=float(found[-1]),
        distinct=min(len(found), MANY),
        integers=bool((found == np.floor(found)).all()),
        zero_one=zero_one,
        one_hot=zero_one and given.ndim > 1 and given.shape[-1] > 1 and bool((values.sum(axis=-1) == 1).all()),
    )


def _raw(given: NDArray[Any]) -> Raw | None:
    if given.size == 0 or given.ndim == 0:
        return None
    units = 1 if given.ndim == 1 else given.shape[-1]
    values = given.reshape(-1, units).astype(np.float64)
    finite = np.isfinite(values)
    known = values[finite]
    inside = ((values >= 0) & (values <= 1)).all(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = np.abs(values.sum(axis=1) - 1)
        exp_sums = np.abs(np.exp(values).sum(axis=1) - 1)
    return Raw(
        rows=len(values),
        units=units,
        axes=max(given.ndim, 2),
        low=float(known.min(initial=np.inf)),
        high=float(known.max(initial=-np.inf)),
        room=room(given.dtype if given.dtype.kind == "f" else np.dtype(np.float64)),
        broken=int(_broken(values).sum()),
        row_sum_error=float(sums.max()),
        exp_sum_error=float(exp_sums.max()),
        simplex=float((inside & (sums <= CONTRADICTION)).mean()),
        unit_interval=float(inside.mean()),
        constant=tuple(np.flatnonzero((values == values[:1]).all(axis=0)).tolist()),
        ends=float(((values == 1) | ((values == 0) & (units == 1))).any(axis=1).mean()),
        only_ends=float(((values == 1) | (values == 0)).all(axis=1).mean()),
        pair_sum=_pair_sum(values) if units == 2 and finite.all() else None,
    )


def _broken(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mask (rows,)."""
    finite = np.isfinite(values)
    return np.logical_not((finite | np.isneginf(values)).all(axis=1) & finite.any(axis=1))


def _pair_sum(values: NDArray[np.float64]) -> float | None:
    apart = float((values[:, 1] - values[:, 0]).std())
    return float(values.sum(axis=1).std()) / apart if apart > 0 else None
