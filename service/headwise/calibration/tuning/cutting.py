"""From a cut a label to the rule of a binary or multilabel head, with what it reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headwise.calibration.tuning.goals import Goal
from headwise.calibration.tuning.guarantees import Proved, fewest_positive, fewest_selected, most_sensitive, purest
from headwise.calibration.tuning.problem import Booleans, Column, Problem, Tuned
from headwise.calibration.tuning.thresholds import best_cut
from headwise.heads.decisions import PerLabel, Threshold
from headwise.heads.links import Float64

_FEW = 10
"""With fewer positive rows than this a tuned cut is told to be uncertain."""
_EDGE = 1e-9

Search = Callable[[Float64, Booleans, float, float], Proved | None]
SEARCHES: Mapping[str, tuple[Search, Callable[[float, float], int]]] = {
    "precision": (purest, fewest_selected),
    "recall": (most_sensitive, fewest_positive),
}
"""How a cut is found, and how many positive rows that takes at the least."""


@dataclass(frozen=True, slots=True)
class Decided:
    """threshold: None where nothing qualifies. note: why this one, or why none."""

    threshold: float | None
    note: str
    figures: Mapping[str, Any]


def tune_worth(problem: Problem, goal: Goal, average: str | None = None) -> Tuned:
    """The cut, or each label's, that is worth most. average: of a multilabel head, "macro" or "micro".

    Macro is the mean over labels, so each label is tuned by itself; micro counts all labels' rows together, and one cut
    serves them all (Koyejo, Natarajan, Ravikumar, Dhillon 2015).
    """
    if average == "micro":
        pooled = Column("all labels", problem.probabilities.reshape(-1), problem.targets.reshape(-1).astype(bool), 0.5)
        decided = _worth(pooled, goal, problem.seed)
        return Tuned(
            None if decided.threshold is None else _one_cut(problem, decided.threshold),
            problem.text,
            decided.note,
            {"rows": len(problem), **decided.figures},
        )
    tuned = _each(problem, lambda column: _worth(column, goal, problem.seed))
    return (
        tuned if problem.task == "binary" else replace(tuned, figures={**tuned.figures, **_macro(tuned.figures, goal)})
    )


def tune_share(problem: Problem, share: str, target: float, confidence: float) -> Tuned:
    """The cut, or each label's, that keeps precision or recall with a guarantee; see guarantees.py."""
    return _each(problem, lambda column: _guaranteed(column, share, target, confidence))


def _each(problem: Problem, decide: Callable[[Column], Decided]) -> Tuned:
    columns = list(problem.columns())
    decided = [decide(column) for column in columns]
    if problem.task == "binary":
        (only,) = decided
        rule = None if only.threshold is None else _one_cut(problem, only.threshold)
        return Tuned(rule, problem.text, only.note, {"rows": len(problem), **only.figures})
    figures = {
        "rows": len(problem),
        "per_label": {column.label: dict(one.figures) for column, one in zip(columns, decided, strict=True)},
    }
    left = [column.label for column, one in zip(columns, decided, strict=True) if one.threshold is None]
    reason = "; ".join(_told(columns, decided))
    if len(left) == len(columns):
        return Tuned(None, problem.text, reason, figures)
    cuts = {
        column.label: column.cut if one.threshold is None else _inside(one.threshold)
        for column, one in zip(columns, decided, strict=True)
    }
    text = problem.text + (f" (not {', '.join(map(repr, left))})" if left else "")
    return Tuned(PerLabel(cuts, text, problem.current.top_k), text, reason, figures)


def _macro(figures: Mapping[str, Any], goal: Goal) -> dict[str, float]:
    """The mean worth over the labels that could be tuned."""
    labels = figures["per_label"].values()
    told = {name: [label[name] for label in labels if label.get(name) is not None] for name in _names(goal)}
    return {name: float(np.mean(worths)) for name, worths in told.items() if worths}


def _told(columns: list[Column], decided: list[Decided]) -> list[str]:
    """Each reason once, with the labels it holds for; a label that keeps its cut says which."""
    labels: dict[str, list[str]] = {}
    for column, one in zip(columns, decided, strict=True):
        kept = f", so it keeps {column.cut:g}" if one.threshold is None else ""
        labels.setdefault(one.note + kept, []).append(repr(column.label))
    return [f"{', '.join(names)}: {note}" for note, names in labels.items()]


def _worth(column: Column, goal: Goal, seed: int) -> Decided:
    found = best_cut(column, goal, seed)
    positives = int(column.positive.sum())
    if found.threshold is None:
        return Decided(None, found.note, {"positives": positives})
    note = found.note
    if positives < _FEW and not goal.fixed:
        note += f", uncertain with {positives} positive rows"
    if found.rival is not None:
        note += (
            f"; a cut of {found.rival:.3g} would cost less on these rows, so the probabilities may not be calibrated"
        )
    sign = -1.0 if goal.fixed else 1.0
    worths = dict(zip(_names(goal), (found.worth, found.fresh, found.before), strict=True))
    figures = {
        "positives": positives,
        "threshold": found.threshold,
        "threshold_interval": None if found.interval is None else list(found.interval),
        **{key: None if worth is None else sign * worth for key, worth in worths.items()},
        **_counts(column, found.threshold),
    }
    return Decided(_inside(found.threshold), note, figures)


def _names(goal: Goal) -> tuple[str, str, str]:
    """Of the worth on these rows, on fresh ones, and of the cut before."""
    name = "cost" if goal.fixed else goal.name
    return name, f"{name}_expected", f"{name}_before"


def _guaranteed(column: Column, share: str, target: float, confidence: float) -> Decided:
    search, _ = SEARCHES[share]
    proved = search(column.scores, column.positive, target, confidence)
    positives = int(column.positive.sum())
    figures: dict[str, Any] = {"positives": positives, "confidence": confidence}
    if proved is None:
        return Decided(None, _none_found(column, share, target, confidence), figures)
    figures |= {
        "threshold": proved.cut,
        **_counts(column, proved.cut),
        f"{share}_bound": proved.bound,
    }
    note = f"{share} is at least {target:g} on fresh rows, with confidence {confidence:g} (Learn-Then-Test)"
    return Decided(_inside(proved.cut), note, figures)


def _none_found(column: Column, share: str, target: float, confidence: float) -> str:
    _, fewest = SEARCHES[share]
    needed = fewest(target, confidence)
    positives = int(column.positive.sum())
    told = (
        f"none found: no cut proves {share} >= {target:g} with confidence {confidence:g} on {len(column.scores)} rows"
    )
    if positives < needed:
        told += f", of which {positives} are positive, and it takes {needed} or more"
    return told


def _counts(column: Column, cut: float) -> dict[str, Any]:
    chosen = column.scores >= cut
    selected, hits, positives = int(chosen.sum()), int((chosen & column.positive).sum()), int(column.positive.sum())
    return {
        "selected": selected,
        "precision": hits / selected if selected else None,
        "recall": hits / positives if positives else None,
    }


def _one_cut(problem: Problem, cut: float) -> Threshold:
    """A cut in place of the current one; what hangs on other rules does not outlive them."""
    current, objective = problem.current, problem.objective
    if isinstance(current, Threshold):
        return replace(current, threshold=_inside(cut), objective=objective)
    if isinstance(current, PerLabel):
        return Threshold(_inside(cut), objective=objective, top_k=current.top_k)
    abstain = None if current.abstain is None else replace(current.abstain, cost=None)
    return Threshold(
        _inside(cut), objective=objective, abstain=abstain, prediction_set=current.prediction_set, top_k=current.top_k
    )


def _inside(cut: float) -> float:
    return float(np.clip(cut, _EDGE, 1.0 - _EDGE))
