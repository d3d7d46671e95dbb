"""How frequent the classes are where a model serves, from calibrated probabilities of rows without targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise.errors import CalibrationError
from headwise.heads import Task
from headwise.heads.links import Float64

_MOST_ROUNDS = 2000
_SMALLEST_STEP = 1e-7
"""No class's share moves by more in a round: far below what any number of rows can tell."""
_TAILS = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class PriorShift:
    """source, target: class priors, or for multilabel P(on) of each label: of the rows that calibration saw, and now.

    interval: (classes, 2), where 95 % of the estimates lie on resampled rows; `source` counts as known.
    rounds, converged: of the EM algorithm. rows: without targets, that it was estimated on.
    """

    source: tuple[float, ...]
    target: tuple[float, ...]
    interval: Float64
    rounds: int
    converged: bool
    rows: int


def source_prior(targets: NDArray[Any], task: Task, classes: int) -> tuple[float, ...]:
    """How frequent each class is among targets (rows,), or each label (rows, labels).

    One that never occurs, or always does, counts as half a row off: a prior of zero could never be shifted.
    """
    if task == "multilabel":
        return tuple(float(share) for share in _inside(targets.mean(axis=0), len(targets)))
    return _shares(np.bincount(targets, minlength=classes) / len(targets), len(targets))


def estimate_prior(
    probabilities: ArrayLike, source: tuple[float, ...], task: Task, *, seed: int = 0, resamples: int = 100
) -> PriorShift:
    """The classes' priors among rows without targets, by EM (Saerens, Latinne, Decaestecker 2002).

    probabilities: (rows, classes), calibrated on rows with the prior `source` and without prior correction. Only the
    classes' frequencies may have changed; how rows of one class look must not have. An output that is not calibrated
    biases the estimate by more than the interval tells. resamples: that the interval is taken from.

    Raises: CalibrationError for a task without classes, or probabilities that do not fit the source.
    """
    given = np.asarray(probabilities, np.float64)
    if task == "regression":
        raise CalibrationError("a regression head has no classes, and so no class priors to estimate")
    if given.ndim != 2 or given.shape[1] != len(source):
        raise CalibrationError(
            f"probabilities have shape {given.shape}: a prior of {len(source)} classes takes (rows, {len(source)})"
        )
    if not len(given) or not np.isfinite(given).all():
        raise CalibrationError("probabilities without targets must be finite, in at least one row")
    estimate = _each_label if task == "multilabel" else _all_classes
    return estimate(given, source, np.random.default_rng(seed), resamples)


def _all_classes(
    probabilities: Float64, source: tuple[float, ...], rng: np.random.Generator, resamples: int
) -> PriorShift:
    found, drawn, rounds = _resampled(probabilities, np.array(source), rng, resamples)
    return PriorShift(
        source,
        _shares(found, len(probabilities)),
        _interval(drawn),
        rounds,
        rounds < _MOST_ROUNDS,
        len(probabilities),
    )


def _each_label(
    probabilities: Float64, source: tuple[float, ...], rng: np.random.Generator, resamples: int
) -> PriorShift:
    """Labels do not compete: each is a binary problem of its own."""
    target, intervals, most = [], [], 0
    for at, on in enumerate(source):
        p = probabilities[:, at]
        found, drawn, rounds = _resampled(np.stack([1.0 - p, p], axis=1), np.array([1.0 - on, on]), rng, resamples)
        target.append(float(_inside(found[1:], len(p))[0]))
        intervals.append(_interval(drawn)[1])
        most = max(most, rounds)
    return PriorShift(source, tuple(target), np.array(intervals), most, most < _MOST_ROUNDS, len(probabilities))


def _resampled(
    probabilities: Float64, source: Float64, rng: np.random.Generator, resamples: int
) -> tuple[Float64, Float64, int]:
    """The estimate (classes,), those of resampled rows (classes, resamples), and the rounds that the first one took."""
    ratios = probabilities / source
    rows = len(ratios)
    found, rounds = _em(ratios, np.full((rows, 1), 1.0 / rows), source[:, np.newaxis])
    weights = rng.multinomial(rows, np.full(rows, 1.0 / rows), size=resamples).T / rows
    drawn, _ = _em(ratios, weights, np.repeat(found, resamples, axis=1), step=1e-5)
    return found[:, 0], drawn, rounds


def _em(ratios: Float64, weights: Float64, start: Float64, step: float = _SMALLEST_STEP) -> tuple[Float64, int]:
    """Priors (classes, samples) from p / source (rows, classes) and the rows' weights (rows, samples)."""
    priors = start
    for done in range(1, _MOST_ROUNDS + 1):
        responsible = weights / np.maximum(ratios @ priors, np.finfo(np.float64).tiny)
        moved = priors * (ratios.T @ responsible)
        moved /= moved.sum(axis=0)
        change = float(np.abs(moved - priors).max())
        priors = moved
        if change < step:
            return priors, done
    return priors, _MOST_ROUNDS


def _interval(drawn: Float64) -> Float64:
    return np.percentile(drawn, _TAILS, axis=1).T


def _inside(shares: Float64, rows: int) -> Float64:
    return np.clip(shares, 0.5 / rows, 1.0 - 0.5 / rows)


def _shares(shares: Float64, rows: int) -> tuple[float, ...]:
    seen = np.maximum(shares, 0.5 / rows)
    return tuple(float(share) for share in seen / seen.sum())
