"""What a cut is worth, counted on rows: F-beta, Youden's J, costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from headwise.heads.links import Float64

Worth = Callable[[Float64, Float64, Float64, Float64], Float64]
"""From counts of selected positive rows, selected rows, positive rows and all rows, which broadcast."""


@dataclass(frozen=True, slots=True)
class Goal:
    """name: of the figure. worth: the larger the better.

    in_theory: the best cut on calibrated probabilities, from the largest worth that any cut reaches and from the share
    of positive rows; formula: the same in words. fixed: it holds whatever the rows say, for it only states costs.
    """

    name: str
    worth: Worth
    in_theory: Callable[[Float64, Float64], Float64]
    formula: str
    fixed: bool = False


def f_beta(beta: float) -> Goal:
    """F-beta (van Rijsbergen 1979); its best cut is F* / (1 + beta squared) (Lipton, Elkan, Naryanaswamy 2014)."""
    weight = 1.0 + beta * beta

    def worth(hits: Float64, selected: Float64, positives: Float64, _rows: Float64) -> Float64:
        return weight * hits / np.maximum(beta * beta * positives + selected, np.finfo(np.float64).tiny)

    return Goal(f"f{beta:g}", worth, lambda best, _share: best / weight, f"F* / {weight:g}")


def _youden(hits: Float64, selected: Float64, positives: Float64, rows: Float64) -> Float64:
    negatives = np.maximum(rows - positives, 1.0)
    return hits / np.maximum(positives, 1.0) - (selected - hits) / negatives


YOUDEN = Goal("youden", _youden, lambda _best, share: share, "the base rate")
"""Sensitivity + specificity - 1 (Youden 1950); best where both kinds are equally likely, which is at the base rate."""


def saving(false_positive: float, false_negative: float) -> Goal:
    """Minus the mean cost of a row; its best cut is c_fp / (c_fp + c_fn) (Elkan 2001)."""
    cut = false_positive / (false_positive + false_negative)

    def worth(hits: Float64, selected: Float64, positives: Float64, rows: Float64) -> Float64:
        return -(false_positive * (selected - hits) + false_negative * (positives - hits)) / rows

    return Goal("saving", worth, lambda best, _share: np.full_like(best, cut), "c_fp / (c_fp + c_fn)", fixed=True)
