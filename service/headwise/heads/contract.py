"""Holds a model's output against its head: shape, finite numbers, the range that the activation promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise.errors import NonFiniteOutputError, OutputRangeError, OutputShapeError
from headwise.heads.links import Float64
from headwise.heads.spec import Activation, Layout

CONTRADICTION = 1e-3
"""Rows of probabilities that miss 1 by more than this contradict the card."""

_RANGES: Mapping[Activation, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "log_softmax": (-np.inf, 0.0),
    "tanh": (-1.0, 1.0),
}
_EXCLUSIVE = frozenset({Layout.BINARY_TWO_UNITS, Layout.MULTICLASS})


@dataclass(frozen=True, slots=True)
class Observations:
    """What was seen in a batch and does not stop it: worth a log line or a metric.

    saturated: values that reached the end of their range (a float32 sigmoid is exactly 1 from z = 16.64).
    row_sum_error: the largest distance of a row's sum from 1, or 0 where it is within rounding (4 N eps).
    """

    saturated: int = 0
    row_sum_error: float = 0.0


def with_units(output: ArrayLike) -> NDArray[np.floating[Any]]:
    """Output (batch, *positions, units) in its own dtype; (batch,) is one unit, lists are float64.

    Raises: OutputShapeError for a scalar, a ragged list or an output that is not floating.
    """
    try:
        array = np.asarray(output, dtype=None if hasattr(output, "dtype") else np.float64)
    except ValueError as error:
        raise OutputShapeError(f"the output is no array of numbers: {error}") from error
    if array.dtype.kind != "f":
        raise OutputShapeError(f"the output is {array.dtype}: a head reads floating numbers")
    if array.ndim == 0:
        raise OutputShapeError("the output is a scalar: a head's output has a row for each input row")
    return array[:, np.newaxis] if array.ndim == 1 else array


def admit(output: NDArray[np.floating[Any]], layout: Layout, activation: Activation) -> tuple[Float64, Observations]:
    """Output (batch, *positions, units) as contiguous float64, after its check.

    Values within rounding of their range (4 eps of the dtype they came in) are brought into it; all others
    stay as they are, bit for bit.

    Raises: NonFiniteOutputError, OutputRangeError, both naming the rows.
    """
    raw: Float64 = np.array(output, dtype=np.float64, order="C")
    _check_finite(raw, layout, activation)
    if activation not in _RANGES:
        return raw, Observations()
    low, high = _RANGES[activation]
    rounding = 4 * float(np.finfo(output.dtype).eps)
    outside = (raw < low - rounding) | (raw > high + rounding)
    if outside.any():
        raise OutputRangeError(
            f"{activation} promises values in [{low:g}, {high:g}], but there is {raw[outside][0]:.6g} "
            f"in {_rows(outside.any(axis=-1))}: is the layer's activation what the card says?"
        )
    bounded: Float64 = np.clip(raw, low, high)
    return bounded, Observations(
        saturated=int(((bounded == low) | (bounded == high)).sum()),
        row_sum_error=_row_sum_error(raw, activation, rounding) if layout in _EXCLUSIVE else 0.0,
    )


def _check_finite(raw: Float64, layout: Layout, activation: Activation) -> None:
    finite = np.isfinite(raw)
    if finite.all():
        return
    good = finite.all(axis=-1)
    if layout in _EXCLUSIVE and activation in ("linear", "log_softmax"):
        # log(0) is a fair answer for a class that cannot be, as long as another one can.
        good = (finite | np.isneginf(raw)).all(axis=-1) & finite.any(axis=-1)
    if not good.all():
        raise NonFiniteOutputError(f"the output is not finite in {_rows(np.logical_not(good))}")


def _row_sum_error(raw: Float64, activation: Activation, rounding: float) -> float:
    sums = (np.exp(raw) if activation == "log_softmax" else raw).sum(axis=-1)
    off: Float64 = np.abs(sums - 1.0)
    worst = float(off.max(initial=0.0))
    if worst > CONTRADICTION:
        raise OutputRangeError(
            f"{activation} promises rows that sum to 1, but there is a sum of {sums.ravel()[off.argmax()]:.6g} "
            f"in {_rows(off > CONTRADICTION)}: are these independent sigmoids or raw logits?"
        )
    return worst if worst > raw.shape[-1] * rounding else 0.0


def _rows(where: ArrayLike, shown: int = 5) -> str:
    """Names the rows of the batch where the mask (batch, *positions) holds."""
    mask = np.asarray(where, dtype=np.bool_)
    bad = np.asarray(mask.reshape(len(mask), -1).any(axis=1))
    found = np.flatnonzero(bad)
    more = ", …" if len(found) > shown else ""
    names = ", ".join(map(str, found[:shown].tolist()))
    return f"row {names}" if len(found) == 1 else f"rows {names}{more} ({len(found)} of {len(bad)})"
