"""The cut that is worth most: by theory on calibrated probabilities, by the rows where they refute it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.tuning.goals import Goal
from headwise.calibration.tuning.problem import Booleans, Column
from headwise.heads.links import Float64

RESAMPLES = 100
_MOST_CUTS = 1000
"""So many are told apart: what a cut is worth is flat on a finer scale than a thousandth of the rows."""
_EDGE = 1e-9
_DOUBT = 3.0
"""Standard errors from which the rows cast doubt on a cut that stands all the same."""
_TAILS = (5.0, 95.0)


@dataclass(frozen=True, slots=True)
class Cut:
    """threshold: None where the rows cannot say, and `note` says why.

    interval: where 90 % of the cuts lie that resampled rows lead to. worth: on these rows. fresh: the worth that fresh
    rows may expect, less by what the bootstrap finds tuning to flatter (Efron 1983). before: the worth of the old cut.
    rival: of a goal with a fixed cut, the rows' own best cut where it is worth clearly more.
    """

    threshold: float | None
    note: str
    interval: tuple[float, float] | None = None
    worth: float | None = None
    fresh: float | None = None
    before: float | None = None
    rival: float | None = None


@dataclass(frozen=True, slots=True)
class _Counts:
    """At each candidate cut, from one that selects no row down to one that selects all.

    lowest: the least score that it selects (cuts,). edges: the middle between that and the next (cuts,). hits,
    selected: positive rows and all rows that it selects (samples, cuts). positives: (samples,). rows: in each sample.
    """

    lowest: Float64
    edges: Float64
    hits: Float64
    selected: Float64
    positives: Float64
    rows: float

    def worth(self, goal: Goal) -> Float64:
        """(samples, cuts)."""
        return goal.worth(self.hits, self.selected, self.positives[:, np.newaxis], np.array(self.rows))

    def at(self, cuts: Float64) -> NDArray[np.int64]:
        """The candidate that selects what each cut does."""
        return np.searchsorted(-self.lowest, -cuts, side="right") - 1


def best_cut(column: Column, goal: Goal, seed: int) -> Cut:
    """The cut that serves the goal.

    On calibrated probabilities the best cut follows from the goal (`Goal.in_theory`), and varies between samples far
    less than the cut that happens to be best on the rows. That one, averaged over resamples, is taken only where it is
    worth more by over a standard error: where the probabilities are not calibrated.
    """
    positives = int(column.positive.sum())
    if positives in (0, len(column.positive)):
        if goal.fixed:
            return Cut(float(goal.in_theory(np.zeros(1), np.zeros(1))[0]), _note(goal, by_theory=True))
        return Cut(None, f"no row is {'negative' if positives else 'positive'}, so nothing can be tuned")
    counts = _counted(column.scores, column.positive, np.random.default_rng(seed))
    worths = counts.worth(goal)
    in_theory = goal.in_theory(worths.max(axis=1), counts.positives / counts.rows)
    in_theory = np.clip(in_theory, _EDGE, 1.0 - _EDGE)
    by_rows = np.clip(counts.edges[worths.argmax(axis=1)], _EDGE, 1.0 - _EDGE)
    averaged = float(by_rows[1:].mean())
    rival, theory, before = counts.at(np.array([averaged, in_theory[0], column.cut]))
    refuted = _errors_ahead(worths, rival, theory) > (_DOUBT if goal.fixed else 1.0)
    by_theory = goal.fixed or not refuted
    chosen, varied = (theory, in_theory) if by_theory else (rival, by_rows)
    ahead = "" if goal.fixed else _better_before(column.cut, _errors_ahead(worths, before, chosen))
    flattered = _each(worths[1:], counts.at(varied[1:])) - worths[0, counts.at(varied[1:])]
    worth = float(worths[0, chosen])
    low, high = np.percentile(varied[1:], _TAILS)
    return Cut(
        float(in_theory[0]) if by_theory else averaged,
        _note(goal, by_theory=by_theory) + ahead,
        (float(low), float(high)),
        worth,
        worth - max(float(flattered.mean()), 0.0),
        float(worths[0, before]),
        averaged if refuted and goal.fixed else None,
    )


def _errors_ahead(worths: Float64, one: int, other: int) -> float:
    """By how many standard errors one candidate is worth more than another."""
    gains = worths[:, one] - worths[:, other]
    error = float(gains[1:].std())
    return float(gains[0]) / error if error else float(np.sign(gains[0])) * np.inf if gains[0] else 0.0


def _note(goal: Goal, *, by_theory: bool) -> str:
    if by_theory:
        return f"the best cut on calibrated probabilities, {goal.formula}"
    return f"the best cut on these rows, averaged over resamples; {goal.formula} is worth less here"


def _better_before(cut: float, errors: float) -> str:
    if errors <= 0:
        return ""
    how_much = ", by less than a standard error" if errors < 1 else ""
    return f"; {cut:g} was worth more on these rows{how_much}"


def _counted(scores: Float64, positive: Booleans, rng: np.random.Generator) -> _Counts:
    """The first sample is the rows themselves, the others are drawn from them with replacement."""
    order = np.argsort(-scores, kind="stable")
    falling, positives = scores[order], positive[order]
    last = np.flatnonzero(np.append(falling[1:] < falling[:-1], True))
    if len(last) > _MOST_CUTS:
        last = last[np.unique(np.linspace(0, len(last) - 1, _MOST_CUTS).astype(np.int64))]
    hits = np.add.reduceat(positives.astype(np.float64), np.concatenate([[0], last[:-1] + 1]))
    cells = np.concatenate([hits, np.diff(last, prepend=-1) - hits])
    drawn = rng.multinomial(len(scores), cells / len(scores), size=RESAMPLES)
    drawn = drawn[drawn[:, : len(hits)].any(axis=1)]
    of_positive, of_other = np.split(np.concatenate([cells[np.newaxis], drawn]), 2, axis=1)
    return _Counts(
        np.concatenate([[np.inf], falling[last]]),
        (np.concatenate([[1.0], falling[last]]) + np.concatenate([[falling[0]], falling[last[:-1] + 1], [0.0]])) / 2,
        _summed(of_positive),
        _summed(of_positive + of_other),
        of_positive.sum(axis=1),
        float(len(scores)),
    )


def _summed(of_group: Float64) -> Float64:
    """(samples, groups) to how many lie at or above each candidate (samples, groups + 1), from none on."""
    return np.concatenate([np.zeros((len(of_group), 1)), np.cumsum(of_group, axis=1)], axis=1)


def _each(worths: Float64, at: NDArray[np.int64]) -> Float64:
    """What a candidate of its own is worth in each sample."""
    return worths[np.arange(len(worths)), at]
