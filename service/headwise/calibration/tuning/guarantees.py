"""Cuts with a finite-sample guarantee: Learn-Then-Test (Angelopoulos, Bates, Candes, Jordan, Lei 2021).

Each cut is a hypothesis "this cut misses the target", tested by an exact binomial p-value; the cuts that are kept are
those whose hypotheses are refused, with at most 1 - confidence the chance of refusing any true one. So over all samples
of rows that could have been drawn, the target holds on fresh rows for at least the share `confidence` of them. Scores
come from calibrators that did not see their row's target, as in conformal.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.tuning.binomial import at_least, at_most, lower_bound
from headwise.calibration.tuning.problem import Booleans
from headwise.heads.links import Float64

_STARTS = (1, 4)
"""Where testing starts, in multiples of the fewest rows that could prove the target; they share the risk equally."""
_STEP = 1.05
"""How many more rows the next cut selects than the one before."""


@dataclass(frozen=True, slots=True)
class Proved:
    """A cut that keeps its promise. selected, good: rows at or above it, and how many of them are good.

    For recall: positive rows, and how many of them lie at or above the cut. bound: the lower end of the one-sided exact
    interval of the promised share at the confidence, for this cut alone.
    """

    cut: float
    selected: int
    good: int
    bound: float


def fewest_selected(target: float, confidence: float) -> int:
    """How many rows, all of them good, `purest` takes to prove the target."""
    return _fewest(target, (1.0 - confidence) / len(_STARTS))


def fewest_positive(target: float, confidence: float) -> int:
    """How many positive rows `most_sensitive` takes to prove the target."""
    return _fewest(target, 1.0 - confidence)


def purest(scores: Float64, good: Booleans, target: float, confidence: float) -> Proved | None:
    """The lowest cut above which at least the share `target` is good; None where none can be proved.

    scores, good: (rows,). Cuts are the scores at fixed ranks, so they do not depend on what is good. They are tested
    from the strictest on by the fallback procedure (Wiens 2003): a refused hypothesis hands its risk to the next one,
    and a start of its own gives the test another chance where the first rows of a ranking are few or poor. It is exact
    where the share does not rise as the cut falls, which is what ranking by a calibrated probability means.
    """
    risk = (1.0 - confidence) / len(_STARTS)
    least = fewest_selected(target, confidence)
    cuts, selected, goods = _at_ranks(scores, good, least)
    if not len(cuts):
        return None
    p_values = at_least(goods, selected, target)
    risks = np.zeros(len(cuts))
    for start in _STARTS:
        risks[min(int(np.searchsorted(selected, least * start)), len(cuts) - 1)] += risk
    at = _last_refused(p_values, risks)
    return None if at is None else _proved(cuts[at], int(selected[at]), int(goods[at]), confidence)


def most_sensitive(scores: Float64, positive: Booleans, target: float, confidence: float) -> Proved | None:
    """The highest cut at or above which at least the share `target` of the positive rows lies; None where none can be.

    Recall never rises with the cut, so one test in a fixed sequence, from the loosest cut on, carries the whole risk;
    it is the distribution-free tolerance limit of Wilks (1941).
    """
    of_positive = np.sort(scores[positive])
    missed = np.arange(len(of_positive))
    proved = at_most(missed, len(of_positive), 1.0 - target) <= 1.0 - confidence
    at = int(proved.sum()) - 1
    if at < 0:
        return None
    cut = of_positive[at]
    below = scores[scores < cut]
    kept = int((of_positive >= cut).sum())
    return _proved((cut + below.max()) / 2 if len(below) else cut, len(of_positive), kept, confidence)


def _fewest(target: float, risk: float) -> int:
    return math.ceil(math.log(risk) / math.log(target))


def _at_ranks(scores: Float64, good: Booleans, least: int) -> tuple[Float64, NDArray[np.int64], NDArray[np.int64]]:
    """Cuts at ranks that grow by _STEP from `least` on, and how many rows, and good ones, lie above each.

    A cut lies between the score of its rank, which it leaves out, and the next higher one: rows above the score of a
    fixed rank are an independent sample of all that scores higher.
    """
    order = np.argsort(-scores, kind="stable")
    falling, goods = scores[order], np.concatenate([[0], np.cumsum(good[order])])
    ranks = [least]
    while ranks[-1] < len(scores):
        ranks.append(max(ranks[-1] + 1, int(ranks[-1] * _STEP)))
    left_out = falling[np.array(ranks[:-1], np.int64)]
    selected = np.unique(np.searchsorted(-falling, -left_out, side="left"))
    selected = selected[selected >= least]
    cuts = (falling[selected - 1] + falling[np.minimum(selected, len(falling) - 1)]) / 2
    return cuts, selected, goods[selected]


def _last_refused(p_values: Float64, risks: Float64) -> int | None:
    """The last hypothesis that the fallback procedure refuses."""
    at, carried = None, 0.0
    for index, (p_value, risk) in enumerate(zip(p_values, risks, strict=True)):
        carried += risk
        if carried > 0.0 and p_value <= carried:
            at = index
        else:
            carried = 0.0
    return at


def _proved(cut: float, selected: int, good: int, confidence: float) -> Proved:
    return Proved(float(cut), selected, good, lower_bound(good, selected, confidence))
