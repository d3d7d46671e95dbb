"""Holds a model's output against its head: shape, finite numbers, the range and row sums that the activation promises.

Each batch is checked in one or two passes without a copy; only a batch that fails them is looked at in detail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise.errors import NonFiniteOutputError, OutputRangeError, OutputShapeError
from headwise.heads.links import Float64, FloatDtype
from headwise.heads.spec import Activation, Layout

CONTRADICTION = 1e-3
"""Rows of probabilities that miss 1, and values that miss their range, by more than this contradict the card."""

SHARES: frozenset[Activation] = frozenset({"softmax", "log_softmax"})
"""Activations whose rows are shares of one."""

RANGES: Mapping[Activation, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "log_softmax": (-np.inf, 0.0),
    "tanh": (-1.0, 1.0),
}
"""What an activation promises; linear promises finite numbers and nothing else."""

_ONE_THREAD = 2**13
"""BLAS shares more numbers among threads, which wait for each other a hundred times as long as the sum takes."""

EXCLUSIVE = frozenset({Layout.BINARY_TWO_UNITS, Layout.MULTICLASS})
_INTEGERS = {np.dtype(f"f{size}"): (np.dtype(f"u{size}"), np.dtype(f"i{size}")) for size in (2, 4, 8)}
_EPS = {dtype: float(np.finfo(dtype).eps) for dtype in _INTEGERS}


def _limit_bits(dtype: np.dtype[Any], activation: Activation) -> tuple[int, int]:
    """The finite limits of an activation, read as unsigned integers."""
    low, high = RANGES.get(activation, (-np.inf, np.inf))
    edge = np.finfo(dtype).max
    limits = np.array([max(low, -edge), min(high, edge)], dtype).view(_INTEGERS[dtype][0])
    return int(limits[0]), int(limits[1])


_LIMIT_BITS = {
    (dtype, activation): _limit_bits(dtype, activation) for dtype in _INTEGERS for activation in (*RANGES, "linear")
}


@dataclass(frozen=True, slots=True)
class Observations:
    """What was seen in a batch and does not stop it: worth a log line, a metric or a warning.

    output: (batch, *positions, units) as it came. range_error: the largest distance of a value from its range, or 0
    where it is within rounding (4 eps). row_sum_error: that of a row's sum from 1, or 0 (4 N eps). contradictions:
    what `strict` would have refused.
    """

    output: NDArray[np.floating[Any]]
    activation: Activation
    range_error: float = 0.0
    row_sum_error: float = 0.0
    contradictions: tuple[str, ...] = ()

    @property
    def saturated(self) -> int:
        """How many values reached the end of their range (a float32 sigmoid is exactly 1 from z = 16.64)."""
        if self.activation not in RANGES:
            return 0
        low, high = RANGES[self.activation]
        return int(np.count_nonzero(self.output <= low) + np.count_nonzero(self.output >= high))

    def rows(self, start: int, stop: int) -> Observations:
        """Of some of the rows; the errors stay those of the whole batch."""
        return replace(self, output=self.output[start:stop])


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


def admit(
    output: NDArray[np.floating[Any]], layout: Layout, activation: Activation, *, strict: bool = True
) -> tuple[Float64, float, tuple[str, ...]]:
    """Output (batch, *positions, units) as contiguous float64, after its check; its range error and contradictions.

    Values that miss their range by `room` or less are brought into it; those in it stay as they are, bit for bit.
    Without `strict` those beyond it are brought into it too, and told.

    Raises: NonFiniteOutputError, OutputRangeError, both naming the rows.
    """
    known = output.dtype in _INTEGERS
    if known and keeps_to_its_range(output, activation):
        return np.array(output, dtype=np.float64, order="C"), 0.0, ()
    with np.errstate(invalid="ignore"):  # numpy warns of a NaN whose bits say so: it is refused below, as any other
        raw: Float64 = np.array(output, dtype=np.float64, order="C")
    if not known and keeps_to_its_range(raw, activation):
        return raw, 0.0, ()
    _check_finite(raw, layout, activation)
    if activation not in RANGES:
        return raw, 0.0, ()
    low, high = RANGES[activation]
    outside = (raw < low - room(output.dtype)) | (raw > high + room(output.dtype))
    told: tuple[str, ...] = ()
    if outside.any():
        told = _contradiction(
            f"{activation} promises values in [{low:g}, {high:g}], but there is {raw[outside][0]:.6g} "
            f"in {_rows(outside.any(axis=-1))}: is the layer's activation what the card says?",
            strict=strict,
        )
    inside = np.clip(raw, low, high)
    moved = raw != inside
    error = float(np.abs(raw[moved] - inside[moved]).max(initial=0.0))
    return inside, error if error > _rounding(output.dtype) else 0.0, told


def room(source: FloatDtype) -> float:
    """How far a value may miss its range: CONTRADICTION, or the rounding of the dtype it came in where that is more.

    A sum of rows has the same room, and a number that misses by 1e-5 is no sign of another activation.
    """
    return max(CONTRADICTION, _rounding(source))


def _rounding(source: FloatDtype) -> float:
    return 4 * float(np.finfo(source).eps)


def row_sum_error(
    output: NDArray[np.floating[Any]], shares: Float64, activation: Activation, *, moved: bool, strict: bool = True
) -> tuple[float, tuple[str, ...]]:
    """How far rows of `shares` miss 1, as `Observations` has it, and what that contradicts.

    shares: (rows, units), the probabilities that the output itself says, in the order of its rows. moved: some were
    brought into their range.

    Raises: OutputRangeError, naming the rows.
    """
    if shares.size == 0:
        return 0.0, ()
    eps = _EPS.get(output.dtype)
    rounding = output.shape[-1] * (eps or float(np.finfo(output.dtype).eps))
    # A sum of N terms is off by at most N eps / 2, so the output's own dtype will do where that is small; its rows
    # are half as many bytes as those of float64.
    precise = not moved and rounding < CONTRADICTION / 2 and activation == "softmax" and eps is not None
    terms = output if precise else shares
    sums = (
        terms.dot(_ones(terms.shape[-1], terms.dtype)) if terms.size <= _ONE_THREAD else np.einsum("...i->...", terms)
    )
    near = min(2 * rounding, CONTRADICTION / 2)
    if 1 - near <= _least(sums) and _largest(sums) <= 1 + near:
        return 0.0, ()
    return _detailed_row_sum_error(shares.reshape(output.shape), activation, 4 * rounding, strict=strict)


@lru_cache(maxsize=64)
def _ones(units: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """What a row is multiplied with for its sum: of few numbers, BLAS makes it faster than numpy."""
    ones = np.ones(units, dtype)
    ones.flags.writeable = False
    return ones


def keeps_to_its_range(output: NDArray[np.floating[Any]], activation: Activation) -> bool:
    """Whether all values are finite and surely in the range; False sends the batch to the detailed check.

    The bits of IEEE 754 numbers, read as integers, sort by magnitude, those with a sign above all others where they
    are read as unsigned: one maximum sees negative numbers, infinities, NaN and whatever is above `high`.
    It takes half of the time of a float minimum and maximum, and for float16 a hundredth.
    """
    if output.size == 0:
        return True
    unsigned, signed = _INTEGERS[output.dtype]
    low, high = _LIMIT_BITS[output.dtype, activation]
    bits = output.view(unsigned)
    largest = _largest(bits)
    return bool(largest <= high or (largest <= low and _largest(bits.view(signed)) <= high))


def _largest(values: NDArray[Any]) -> Any:
    """`max` as a Python number, without the half of a microsecond that numpy's own takes to set out."""
    return values.item(values.argmax())


def _least(values: NDArray[Any]) -> Any:
    return values.item(values.argmin())


def _check_finite(raw: Float64, layout: Layout, activation: Activation) -> None:
    finite = np.isfinite(raw)
    if finite.all():
        return
    good = finite.all(axis=-1)
    if layout in EXCLUSIVE and activation in ("linear", "log_softmax"):
        # log(0) is a fair answer for a class that cannot be, as long as another one can.
        good = (finite | np.isneginf(raw)).all(axis=-1) & finite.any(axis=-1)
    if not good.all():
        raise NonFiniteOutputError(f"the output is not finite in {_rows(np.logical_not(good))}")


def _detailed_row_sum_error(
    shares: Float64, activation: Activation, rounding: float, *, strict: bool
) -> tuple[float, tuple[str, ...]]:
    sums = shares.sum(axis=-1)
    off: Float64 = np.abs(sums - 1.0)
    worst = float(off.max())
    told: tuple[str, ...] = ()
    if worst > CONTRADICTION:
        told = _contradiction(
            f"{activation} promises rows that sum to 1, but there is a sum of {sums.ravel()[off.argmax()]:.6g} "
            f"in {_rows(off > CONTRADICTION)}: are these independent sigmoids or raw logits?",
            strict=strict,
        )
    return worst if worst > rounding else 0.0, told


def _contradiction(text: str, *, strict: bool) -> tuple[str, ...]:
    if strict:
        raise OutputRangeError(text)
    return (text,)


def _rows(where: ArrayLike, shown: int = 5) -> str:
    """Names the rows of the batch where the mask (batch, *positions) holds."""
    mask = np.asarray(where, dtype=np.bool_)
    bad = np.asarray(mask.reshape(len(mask), -1).any(axis=1))
    found = np.flatnonzero(bad)
    more = ", …" if len(found) > shown else ""
    names = ", ".join(map(str, found[:shown].tolist()))
    return f"row {names}" if len(found) == 1 else f"rows {names}{more} ({len(found)} of {len(bad)})"
