"""Holds a model's output against its head: shape, finite numbers, the range that the activation promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.errors import NonFiniteOutputError, OutputRangeError, OutputShapeError
from headwise.heads.links import Float64, FloatDtype
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


def as_rows(output: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Output (batch,), (batch, units) or (batch, *positions, units) as (rows, units); one axis is one unit.

    Raises: OutputShapeError for a scalar or an output that is not floating.
    """
    if output.dtype.kind != "f":
        raise OutputShapeError(f"the output is {output.dtype}: a head reads floating numbers")
    if output.ndim == 0:
        raise OutputShapeError("the output is a scalar: a head's output has a row for each input row")
    return output.reshape(-1, 1) if output.ndim == 1 else output.reshape(-1, output.shape[-1])


def check(raw: Float64, source: FloatDtype, layout: Layout, activation: Activation) -> Observations:
    """Check rows (rows, units) float64 that came in dtype `source`.

    Raises: NonFiniteOutputError, OutputRangeError, both naming the rows.
    """
    _check_finite(raw, layout, activation)
    if activation not in _RANGES:
        return Observations()
    low, high = _RANGES[activation]
    eps = float(np.finfo(source).eps)
    slack = 4 * raw.shape[1] * eps
    outside = (raw < low - slack) | (raw > high + slack)
    if outside.any():
        raise OutputRangeError(
            f"{activation} promises values in [{low:g}, {high:g}], but {_rows(outside.any(axis=1))} "
            f"hold {raw[outside][0]:.6g}: is the layer's activation what the card says?"
        )
    return Observations(
        saturated=int(((raw == low) | (raw == high)).sum()),
        row_sum_error=_row_sum_error(raw, activation, slack) if layout in _EXCLUSIVE else 0.0,
    )


def _check_finite(raw: Float64, layout: Layout, activation: Activation) -> None:
    finite = np.isfinite(raw)
    if finite.all():
        return
    bad = ~finite.all(axis=1)
    if layout in _EXCLUSIVE and activation in ("linear", "log_softmax"):
        bad = ~((finite | np.isneginf(raw)).all(axis=1) & finite.any(axis=1))
    if bad.any():
        raise NonFiniteOutputError(f"the output is not finite in {_rows(np.asarray(bad))}")


def _row_sum_error(raw: Float64, activation: Activation, slack: float) -> float:
    if not len(raw):
        return 0.0
    sums = (np.exp(raw) if activation == "log_softmax" else raw).sum(axis=1)
    off: Float64 = np.abs(sums - 1.0)
    if off.max() > CONTRADICTION:
        worst = int(off.argmax())
        raise OutputRangeError(
            f"{activation} promises rows that sum to 1, but {_rows(np.greater(off, CONTRADICTION))} do not "
            f"(row {worst} sums to {sums[worst]:.6g}): are these independent sigmoids or raw logits?"
        )
    return float(off.max()) if off.max() > slack else 0.0


def _rows(mask: NDArray[np.bool_], shown: int = 5) -> str:
    found = np.flatnonzero(mask)
    more = ", …" if len(found) > shown else ""
    names = ", ".join(map(str, found[:shown].tolist()))
    return f"row {names}" if len(found) == 1 else f"rows {names}{more} ({len(found)} of {len(mask)})"
