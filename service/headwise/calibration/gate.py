"""What a calibrator must show out of fold before it is taken instead of a simpler one, or of none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.measures.binned import BinnedError
from headwise.calibration.measures.bins import equal_mass
from headwise.calibration.measures.measure import brier_scores, log_losses
from headwise.calibration.measures.pairs import answered, headline
from headwise.heads import Task
from headwise.heads.links import Float64


@dataclass(frozen=True, slots=True)
class Demand:
    """nats: least sum of the gains in log loss, without the row that gains most: one row proves nothing.

    errors: standard errors that the mean gain is above 0. exp(sum) is an e-value: where the model is calibrated its
    expectation is 1, so that exp(3) = 20 is passed by chance in less than one data set of twenty (Markov's inequality),
    however few errors the rows hold. Standard errors alone are blind to errors not seen yet; nats alone to a model that
    is wrong in another way than the calibrator is.
    """

    nats: float
    errors: float


DEMANDS: Mapping[str, Demand] = {"temperature": Demand(3.0, 0.5)}
"""By method; set on 2,190 runs over synthetic logits, scikit-learn models and networks (docs/calibration.md)."""

OTHERS = Demand(6.0, 2.0)
"""Of calibrators with several parameters, which have more ways to be right by chance."""

STEP = 1.0
"""Standard errors by which a more complex calibrator must beat a simpler one."""

BEYOND = 2.0
"""Standard errors beyond which the Brier score or the answers count as worse."""

MOST_CHANGED = 0.2
"""Largest share of answers that may change where they do not surely get better."""

TELLING = 150
"""Rows below which a calibration error says nothing: a bootstrap of a few errors cannot know how many are usual."""

_RESAMPLES = 200
_TINY = 1e-16


@dataclass(frozen=True, slots=True)
class Held:
    """Probabilities (rows, classes) of held-out rows, and what they cost: losses (rows,)."""

    probabilities: Float64
    targets: NDArray[Any]
    task: Task
    losses: Float64

    @classmethod
    def of(cls, probabilities: Float64, targets: NDArray[Any], task: Task) -> Held:
        """With its log losses."""
        return cls(probabilities, targets, task, log_losses(probabilities, targets, task))


def gain(before: Held, after: Held) -> tuple[float, float]:
    """Mean gain in log loss a row, and its standard error."""
    gains = before.losses - after.losses
    return float(gains.mean()), standard_error(gains)


def standard_error(values: Float64) -> float:
    """Of the mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def objection(before: Held, after: Held, method: str, *, seed: int, choices: int = 1) -> str:
    """Why `after`, by `method`, cannot replace `before`; empty if it can.

    choices: of how many such choices this is one (Bonferroni: each has to show ln(choices) nats more).
    """
    demand = DEMANDS.get(method, OTHERS)
    if found := _unsure(before, after, replace(demand, nats=demand.nats + np.log(choices))):
        return found
    return veto(before, after, seed)


def veto(before: Held, after: Held, seed: int) -> str:
    """What gets worse beside the log loss; empty if nothing does."""
    return next((found for check in CHECKS if (found := check(before, after, seed))), "")


def _unsure(before: Held, after: Held, demand: Demand) -> str:
    gains = before.losses - after.losses
    mean, error = float(gains.mean()), standard_error(gains)
    if mean <= 0:
        return "no gain"
    if mean < demand.errors * error:
        return f"the gain is below {demand.errors:g} standard errors"
    needed = demand.nats + _stake(before.probabilities, after.probabilities, after.task)
    # The loss of a row of labels is the mean over them.
    labels = before.probabilities.shape[1] if before.task == "multilabel" else 1
    total = float(gains.sum() - gains.max()) * labels
    return f"the evidence is {total:.1f} nats, and {needed:.1f} are needed" if total < needed else ""


def _stake(before: Float64, after: Float64, task: Task) -> float:
    """ln of what is lost if `before` is right over what is gained if `after` is right; 0 where less is lost."""
    p, q = np.maximum(before, _TINY), np.maximum(after, _TINY)
    lost, won = np.sum(p * np.log(p / q)), np.sum(q * np.log(q / p))
    if task == "multilabel":
        p, q = np.maximum(1.0 - before, _TINY), np.maximum(1.0 - after, _TINY)
        lost, won = lost + np.sum(p * np.log(p / q)), won + np.sum(q * np.log(q / p))
    return float(max(np.log(max(lost, _TINY) / max(won, _TINY)), 0.0))


def _brier(before: Held, after: Held, _: int) -> str:
    change = brier_scores(after.probabilities, after.targets, after.task) - brier_scores(
        before.probabilities, before.targets, before.task
    )
    return "the Brier score rises" if change.mean() > BEYOND * standard_error(change) else ""


def _calibration_error(before: Held, after: Held, seed: int) -> str:
    """By a paired bootstrap, 95 %; centred, because a resample adds its own noise to a binned error."""
    if len(before.losses) < TELLING:
        return ""
    errors: list[Callable[[Float64], Float64]] = []
    for held in (before, after):
        pairs = headline(held.probabilities, held.targets, held.task)
        errors.append(BinnedError(pairs, equal_mass(pairs.probabilities)))
    rows = len(before.losses)
    change = float((errors[1](np.ones((1, rows))) - errors[0](np.ones((1, rows))))[0])
    if change <= 0:
        return ""
    draws = np.random.default_rng(seed).integers(rows, size=(_RESAMPLES, rows))
    weights = np.stack([np.bincount(draw, minlength=rows) for draw in draws]).astype(np.float64)
    changes = errors[1](weights) - errors[0](weights)
    low = float(np.quantile(changes - changes.mean() + change, 0.025))
    return "the calibration error (ECE) rises" if low > 0 else ""


def _answers(before: Held, after: Held, _: int) -> str:
    """Of the default decision; ordinal answers count by how far off they are, since the median is the answer."""
    truth = after.targets
    if before.task == "multilabel":
        old, new = before.probabilities >= 0.5, after.probabilities >= 0.5
        better = (new == truth).mean(axis=1) - (old == truth).mean(axis=1)
        changed = (old != new).any(axis=1)
    else:
        was, now = answered(before.probabilities, before.task), answered(after.probabilities, after.task)
        off = np.abs(was - truth), np.abs(now - truth)
        better = off[0] - off[1] if before.task == "ordinal" else (off[1] == 0) * 1.0 - (off[0] == 0)
        changed = was != now
    error = standard_error(better)
    if better.mean() < -BEYOND * error:
        return "the answers get worse"
    if changed.mean() > MOST_CHANGED and better.mean() < BEYOND * error:
        return f"{changed.mean():.0%} of the answers change, and they do not surely get better"
    return ""


CHECKS: tuple[Callable[[Held, Held, int], str], ...] = (_brier, _calibration_error, _answers)


def simplest(candidates: Mapping[str, Held]) -> str:
    """The last one that beats the one taken before it, from simple to complex, surely (the one-standard-error rule)."""
    taken = next(iter(candidates))
    for method, held in candidates.items():
        mean, error = gain(candidates[taken], held)
        if mean > STEP * error and mean > 0:
            taken = method
    return taken
