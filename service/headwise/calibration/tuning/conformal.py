"""Prediction sets that hold the true class as often as promised: split conformal prediction.

Exact for fresh rows that are drawn as these were, provided that each row's probabilities come from a calibrator that
did not see its target. Out-of-fold probabilities do, and use every row; the calibrator that then serves saw all rows,
and moves probabilities by the little that one fold adds to its few parameters. A split would be exact to the letter
and cost half of the rows, which widens the spread of the coverage that is reached (`reached`) by more than that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.tuning.binomial import beta_quantile
from headwise.calibration.tuning.problem import Problem, Tuned
from headwise.heads.decisions import PredictionSet
from headwise.heads.links import Float64
from headwise.heads.prediction_sets import Score, conformity

STORED = (0.8, 0.9, 0.95, 0.99)
"""Coverages that a request may choose beside the one that was asked for, where the rows suffice."""

_FOLDS = 5
_SHARE_FOR_PENALTY = 0.2
_PENALTIES = (0.001, 0.01, 0.1, 0.5)
_ROUNDING = 1e-9
"""A rank within this of a whole number is that number: 10 * 0.7 is 7.000000000000001."""


@dataclass(frozen=True, slots=True)
class Sets:
    """Which prediction sets are wanted. by_class: a quantile a class, so that each class is covered as promised."""

    score: Score
    coverage: float
    by_class: bool = False


def rank(rows: int, coverage: float) -> int:
    """Which of the scores of `rows` rows, counted from the smallest, is the quantile: ceil((rows + 1) * coverage)."""
    return math.ceil((rows + 1) * coverage - _ROUNDING)


def quantile(scores: Float64, coverage: float) -> float:
    """The finite-sample quantile of the true classes' nonconformity (rows,); infinite where the rows are too few."""
    at = rank(len(scores), coverage)
    return math.inf if at > len(scores) else float(np.partition(scores, at - 1)[at - 1])


def fewest(coverage: float) -> int:
    """How many rows a finite quantile takes."""
    return math.ceil(coverage / (1.0 - coverage) - _ROUNDING)


def reached(rows: int, coverage: float, share: float = 0.95) -> tuple[float, float]:
    """Between which the coverage on fresh rows lies, over samples of `rows` rows, with this probability.

    It is Beta(k, rows + 1 - k) for k = `rank`, where scores do not tie (Vovk 2012); above that where they do.
    """
    at = rank(rows, coverage)
    low, high = (beta_quantile(at, rows + 1 - at, tail) for tail in ((1.0 - share) / 2, (1.0 + share) / 2))
    return low, high


def tune_sets(problem: Problem, wanted: Sets) -> Tuned:
    """The current rule with prediction sets, and what they reach on rows that their quantile did not see."""
    rng = np.random.default_rng(problem.seed)
    rows = rng.permutation(len(problem))
    penalty, free = 0.0, 0
    if wanted.score == "raps":
        apart = int(len(rows) * _SHARE_FOR_PENALTY)
        penalty, free = _penalty(problem, rows[:apart], wanted.coverage)
        rows = rows[apart:]
    if len(rows) < fewest(wanted.coverage):
        return Tuned(None, problem.text, _too_few(len(rows), wanted), {"rows": len(rows)})
    scores = conformity(problem.probabilities[rows], wanted.score, penalty=penalty, free=free, seed=problem.seed)
    targets = problem.targets[rows]
    always = _always(len(problem.labels), penalty)
    quantiles = {
        repr(coverage): _quantiles(scores, targets, coverage, wanted.by_class, always)
        for coverage in sorted({wanted.coverage, *STORED})
        if len(rows) >= fewest(coverage)
    }
    sets = PredictionSet(wanted.score, wanted.coverage, quantiles, penalty, free, problem.seed)
    figures = {"rows": len(rows), **_measured(scores, targets, problem.labels, wanted, always)}
    return Tuned(
        replace(problem.one_answer, prediction_set=sets, objective=problem.objective),
        problem.text,
        _reason(wanted, targets, problem.labels, penalty, free),
        figures,
    )


def _quantiles(
    scores: Float64, targets: NDArray[Any], coverage: float, by_class: bool, always: float
) -> float | tuple[float, ...]:
    """Of all rows, or of each class's own; a class with too few rows is in every set."""
    of_target = scores[np.arange(len(targets)), targets]
    if not by_class:
        return quantile(of_target, coverage)
    return tuple(min(quantile(of_target[targets == at], coverage), always) for at in range(scores.shape[1]))


def _always(classes: int, penalty: float) -> float:
    """A quantile that no score exceeds; rows of probabilities that rounded sum to a little more than 1."""
    return 2.0 + penalty * classes


def _measured(
    scores: Float64, targets: NDArray[Any], labels: tuple[str, ...], wanted: Sets, always: float
) -> dict[str, Any]:
    """Each fold by the quantile of the others; rows come in random order."""
    folds = np.arange(len(targets)) % min(_FOLDS, len(targets))
    inside = np.empty(scores.shape, np.bool_)
    for fold in range(folds.max() + 1):
        held_out = folds == fold
        seen = _quantiles(scores[~held_out], targets[~held_out], wanted.coverage, wanted.by_class, always)
        inside[held_out] = scores[held_out] <= np.asarray(seen)
    covered = inside[np.arange(len(targets)), targets]
    sizes = inside.sum(axis=1)
    figures: dict[str, Any] = {
        "coverage": float(covered.mean()),
        "mean_size": float(sizes.mean()),
        "empty_share": float((sizes == 0).mean()),
        "single_share": float((sizes == 1).mean()),
        "coverage_per_class": {
            label: float(covered[targets == at].mean()) if (targets == at).any() else None
            for at, label in enumerate(labels)
        },
    }
    if not wanted.by_class:
        figures["coverage_interval"] = list(reached(len(targets), wanted.coverage))
    return figures


def _penalty(problem: Problem, rows: NDArray[np.int64], coverage: float) -> tuple[float, int]:
    """RAPS' penalty with the smallest sets, and the places it leaves free: so many hold the true class that often.

    As Angelopoulos, Bates, Malik, Jordan (2021) choose them, on rows that the quantile is not taken from.
    """
    if len(rows) < fewest(coverage):
        return _PENALTIES[1], 1
    probabilities, targets = problem.probabilities[rows], problem.targets[rows]
    each = np.arange(len(rows))
    place = (probabilities > probabilities[each, targets][:, np.newaxis]).sum(axis=1) + 1.0
    free = int(quantile(place, coverage))
    sizes = {}
    for penalty in _PENALTIES:
        scores = conformity(probabilities, "raps", penalty=penalty, free=free, seed=problem.seed)
        sizes[penalty] = float((scores <= quantile(scores[each, targets], coverage)).sum(axis=1).mean())
    return min(sizes, key=sizes.__getitem__), free


def _too_few(rows: int, wanted: Sets) -> str:
    needed = fewest(wanted.coverage)
    if wanted.score == "raps":
        needed = math.ceil(needed / (1.0 - _SHARE_FOR_PENALTY))
    return (
        f"none found: coverage {wanted.coverage} takes {needed} rows or more, and {rows} can set the quantile; "
        f"with them the largest coverage is {math.floor(1000 * rows / (rows + 1)) / 1000}"
    )


def _reason(wanted: Sets, targets: NDArray[Any], labels: tuple[str, ...], penalty: float, free: int) -> str:
    told = f"a set holds the true class of at least {wanted.coverage:.4g} of fresh rows, over samples like this one"
    if wanted.by_class:
        told += ", of each class by itself"
        counts = np.bincount(targets, minlength=len(labels))
        if rare := [label for label, count in zip(labels, counts, strict=True) if count < fewest(wanted.coverage)]:
            told += (
                f"; fewer than {fewest(wanted.coverage)} rows are of {', '.join(map(repr, rare))}, "
                "which is therefore in every set"
            )
    if wanted.score == "raps":
        told += f"; penalty {penalty:g} beyond {free} places, chosen on a fifth of the rows and measured on the others"
    return told
