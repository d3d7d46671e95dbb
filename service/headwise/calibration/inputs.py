"""What calibration is given, read once: raw outputs and targets, as rows of canonical logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise.calibration.samples import Samples
from headwise.calibration.targets import check_targets
from headwise.errors import CalibrationError, InvalidRequestError
from headwise.heads import Head
from headwise.heads.contract import EXCLUSIVE, RANGES, with_units
from headwise.heads.links import Float64
from headwise.heads.scores import FROM_LOGITS

FEWEST_ROWS = 10
"""Fewer cannot be split into folds that each say something."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """raw: (rows, units) in the dtype they came in, finite rows only; positions of an output count as rows.

    items: (rows,) int64 rising from 0, the input that each row is a position of. warnings: what was left out.
    """

    head: Head
    raw: NDArray[np.floating[Any]]
    samples: Samples
    items: NDArray[np.int64]
    warnings: tuple[str, ...] = ()


def read(raw_outputs: ArrayLike, targets: ArrayLike, head: Head) -> Inputs:
    """Raw outputs (batch,) or (batch, *positions, units) with their targets, without the rows that are not finite.

    Raises: CalibrationError, HeadMismatchError.
    """
    if head.task == "regression":
        raise CalibrationError("a regression head answers values: it has no probabilities to calibrate")
    output = with_units(raw_outputs)
    if not output.size:
        raise CalibrationError(f"the output of shape {output.shape} has no rows to calibrate on")
    head.canonical(np.zeros_like(output[:0]))
    try:
        truth = check_targets(targets, head, output.shape)
    except InvalidRequestError as error:
        raise CalibrationError(str(error)) from error
    rows = output.reshape(-1, output.shape[-1])
    items = np.repeat(np.arange(len(output)), len(rows) // len(output))
    finite = _finite(rows, head)
    if not finite.any():
        raise CalibrationError(f"all {len(rows)} rows of the output hold NaN or infinity: did the model diverge?")
    if finite.sum() < FEWEST_ROWS:
        raise CalibrationError(
            f"there are {finite.sum()} rows to calibrate on: it takes {FEWEST_ROWS}, and a few hundred are sensible"
        )
    kept = rows[finite]
    logits, form = head.canonical(kept)
    _, items = np.unique(items[finite], return_inverse=True)
    samples = Samples(logits, truth[finite], form, len(head.labels))
    return Inputs(head, kept, samples, items, (*_left_out(finite), *_beyond(kept, head)))


def uncalibrated(samples: Samples) -> Float64:
    """Probabilities (rows, classes) float64 of canonical logits as they are."""
    probabilities = FROM_LOGITS[samples.form](samples.logits).probabilities
    assert probabilities is not None
    return probabilities


def _beyond(rows: NDArray[np.floating[Any]], head: Head) -> tuple[str, ...]:
    """Files hold probabilities such as 1.00001, from float16 or from a rounded sum."""
    low, high = RANGES.get(head.activation, (-np.inf, np.inf))
    moved = (rows < low) | (rows > high)
    if not moved.any():
        return ()
    told = f"{moved.sum()} of {rows.size} values miss the range of {head.activation} a little, such as "
    return (f"{told}{rows[moved][0]:.8g}: they count as its end",)


def _finite(rows: NDArray[np.floating[Any]], head: Head) -> NDArray[np.bool_]:
    """The rows that a head answers: as contract.admit has it, an impossible class may be -inf."""
    finite = np.isfinite(rows)
    if head.layout(rows.shape[1]) in EXCLUSIVE and head.activation in ("linear", "log_softmax"):
        return np.asarray((finite | np.isneginf(rows)).all(axis=1) & finite.any(axis=1))
    return np.asarray(finite.all(axis=1))


def _left_out(finite: NDArray[np.bool_]) -> tuple[str, ...]:
    bad = np.flatnonzero(~finite)
    if not len(bad):
        return ()
    named = ", ".join(map(str, bad[:5].tolist())) + (", …" if len(bad) > 5 else "")
    return (f"{len(bad)} of {len(finite)} rows hold NaN or infinity and were left out: {named}",)
