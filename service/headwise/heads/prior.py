"""How frequent the classes are where the model serves, against the rows that its calibration saw."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from headwise.errors import InvalidCardError
from headwise.heads.links import Float64
from headwise.heads.parameters import numbers, require_count, within
from headwise.heads.scores import FROM_LOGITS, Form, Scores, Space

RAREST = 1e-12
"""Smallest share: what is rarer was never seen, and odds stay far from underflow."""

_SUM = 1e-6
_SHARE = f"between 0 and 1, and not within {RAREST:g} of them"
_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Prior:
    """p * target / source, renormalised (Saerens, Latinne, Decaestecker 2002); after calibration, before the decision.

    source, target: the share of each class in the rows that calibration saw, and where the model serves. Multilabel:
    the share of rows in which each label is on.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}

    source: tuple[float, ...]
    target: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("source", "target"):
            values = numbers(name, getattr(self, name))
            object.__setattr__(self, name, values)
            for at, value in enumerate(values):
                within(f"{name}[{at}]", value, RAREST <= value <= 1 - RAREST, _SHARE)
        require_count("target", self.target, len(self.source), "as source has")

    def require_fit(self, form: Form, classes: int) -> None:
        """Raises: InvalidCardError unless there is a share for each of these classes or labels; classes sum to 1."""
        what = "label" if form is Form.MULTILABEL else "class"
        for name, values in (("source", self.source), ("target", self.target)):
            require_count(name, values, classes, f"one for each {what}")
            total = math.fsum(values)
            if form is not Form.MULTILABEL and abs(total - 1) > _SUM:
                raise InvalidCardError(f"{name} sums to {total:.9g}: the shares of all classes must sum to 1")

    def scores(self, scores: Scores, form: Form) -> Scores:
        """Scores as if the classes had always been as frequent as `target`; unchanged where nothing shifts.

        The logit of a class or label stays one: it moves by the logarithm of the odds. A margin has no probability
        to correct and stays as it is.
        """
        if self.source == self.target or scores.probabilities is None:
            return scores
        match form:
            case Form.BINARY:
                off, on = self._ratios
                return _one_by_one(scores, scores.probabilities[:, :1], form, off, on)
            case Form.MULTILABEL:
                return _one_by_one(scores, 1.0 - scores.probabilities, form, self._ratios_off, self._ratios)
            case Form.MULTICLASS:
                weighted, shares = _shared(scores.probabilities, self._ratios)
                return Scores(weighted, Space.PROBABILITY, shares)
            case Form.CUMULATIVE | Form.CONDITIONAL:
                _, shares = _shared(scores.probabilities, self._ratios)
                exceed = np.add.accumulate(shares[:, :0:-1], axis=1)[:, ::-1]
                return Scores(np.ascontiguousarray(exceed), Space.PROBABILITY, shares)

    @cached_property
    def _ratios(self) -> Float64:
        ratios: Float64 = np.array(self.target) / np.array(self.source)
        return ratios

    @cached_property
    def _ratios_off(self) -> Float64:
        ratios: Float64 = (1.0 - np.array(self.target)) / (1.0 - np.array(self.source))
        return ratios


def _one_by_one(scores: Scores, negative: Float64, form: Form, off: Float64, on: Float64) -> Scores:
    """Columns (rows, k) that each are on or off; negative: P(off), in its own precision."""
    interval = None
    if scores.interval is not None:
        low_high = scores.interval
        interval = _odds(1.0 - low_high, low_high, np.reshape(off, (-1, 1)), np.reshape(on, (-1, 1)))
    if scores.space is Space.LOGIT:
        return replace(FROM_LOGITS[form](scores.evidence + np.log(on / off)), interval=interval)
    p = _odds(negative, scores.evidence, off, on)
    pair = p if form is Form.MULTILABEL else np.concatenate([_odds(scores.evidence, negative, on, off), p], axis=1)
    return Scores(p, Space.PROBABILITY, pair, interval)


def _odds(negative: Float64, positive: Float64, off: Float64, on: Float64) -> Float64:
    weighted = positive * on
    result: Float64 = weighted / np.maximum(weighted + negative * off, _TINY)
    return result


def _shared(probabilities: Float64, ratios: Float64) -> tuple[Float64, Float64]:
    """Class probabilities times their ratios, and these as shares of one."""
    weighted = np.ascontiguousarray(probabilities) * ratios
    return weighted, weighted / np.maximum(weighted.sum(axis=1, keepdims=True), _TINY)
