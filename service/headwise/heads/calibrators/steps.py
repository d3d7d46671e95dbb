"""Calibrators of the positive class that are step functions of its logit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from headwise.errors import InvalidCardError
from headwise.heads.links import Float64
from headwise.heads.parameters import numbers, require_count, require_rising, within
from headwise.heads.scores import Form, Scores, Space


@dataclass(frozen=True, slots=True)
class Steps:
    """A step function of the logit: at m knots and in the m + 1 open intervals around them.

    Its cells alternate: before knots[0], at knots[0], between knots[0] and knots[1], and so on.
    probabilities: (2m + 1, 2) of the negative and the positive class. interval: (2m + 1, 2), or None.
    """

    knots: NDArray[Any]
    probabilities: Float64
    interval: Float64 | None = None

    def cells(self, logits: NDArray[Any]) -> NDArray[np.intp]:
        """The cell of each logit (rows,)."""
        return self.knots.searchsorted(logits, "left") + self.knots.searchsorted(logits, "right")

    def scores(self, logits: Float64) -> Scores:
        """Canonical logits (rows, 1) -> what their cells say."""
        cells = self.cells(logits[:, 0])
        pair = self.probabilities.take(cells, axis=0)
        interval = None if self.interval is None else self.interval.take(cells, axis=0)[:, np.newaxis]
        return Scores(pair[:, 1:], Space.PROBABILITY, pair, interval)


@dataclass(frozen=True)
class Isotonic:
    """Block i, from logit cuts[i - 1] on, has probability probabilities[i] (Zadrozny, Elkan 2002)."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}
    FORMS: ClassVar = frozenset({Form.BINARY})
    MONOTONE: ClassVar = FORMS
    KEEPS_ARGMAX: ClassVar = frozenset[Form]()
    classes: ClassVar[None] = None

    cuts: tuple[float, ...]
    probabilities: tuple[float, ...]
    method: Literal["isotonic"] = "isotonic"

    def __post_init__(self) -> None:
        object.__setattr__(self, "cuts", numbers("cuts", self.cuts))
        object.__setattr__(self, "probabilities", numbers("probabilities", self.probabilities))
        require_count("probabilities", self.probabilities, len(self.cuts) + 1, "one more than cuts")
        for at, p in enumerate(self.probabilities):
            within(f"probabilities[{at}]", p, 0 < p < 1, "between 0 and 1, both excluded")
        require_rising("cuts", self.cuts, strictly=True)
        require_rising("probabilities", self.probabilities, strictly=False)

    def scores(self, logits: Float64, _: Form) -> Scores:
        """The probability of the block that the logit lies in."""
        return self.steps.scores(logits)

    @cached_property
    def steps(self) -> Steps:
        """A block holds its own cut."""
        p = np.array(self.probabilities).repeat(2)[1:]
        return Steps(np.array(self.cuts), np.stack([1.0 - p, p], axis=1))


@dataclass(frozen=True)
class VennAbers:
    """p = upper / (1 - lower + upper) and the interval (lower, upper) (Vovk, Petej 2014).

    lower and upper are the isotonic fits of the calibration rows and the row at hand, taken as negative and as
    positive. They are step functions of its logit, told in the cells of `Steps`: one each before, at and after every
    entry of `logits`. Only logits at which one of them changes need to be there.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}
    FORMS: ClassVar = frozenset({Form.BINARY})
    MONOTONE: ClassVar = FORMS
    KEEPS_ARGMAX: ClassVar = frozenset[Form]()
    classes: ClassVar[None] = None

    logits: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    method: Literal["venn_abers"] = "venn_abers"

    def __post_init__(self) -> None:
        for name in ("logits", "lower", "upper"):
            object.__setattr__(self, name, numbers(name, getattr(self, name)))
        require_rising("logits", self.logits, strictly=True)
        for name, values in (("lower", self.lower), ("upper", self.upper)):
            require_count(name, values, 2 * len(self.logits) + 1, "one before, at and after every entry of logits")
            require_rising(name, values, strictly=False)
        for at, (low, high) in enumerate(zip(self.lower, self.upper, strict=True)):
            if not 0 <= low <= high <= 1:
                raise InvalidCardError(
                    f"lower[{at}] is {low} and upper[{at}] is {high}: they must be an interval in [0, 1]"
                )
            if low == 1 or high == 0:
                raise InvalidCardError(f"lower[{at}] and upper[{at}] are both {low}: p would be exactly {low:g}")

    @classmethod
    def compressed(cls, logits: Iterable[float], lower: Iterable[float], upper: Iterable[float]) -> Self:
        """The same step functions, without the logits at which neither changes: exact, because nothing is rounded."""
        knots, cells = np.array(logits, np.float64), np.stack([np.array(lower), np.array(upper)], axis=1)
        changes = (cells[1:] != cells[:-1]).any(axis=1).reshape(-1, 2).any(axis=1)
        kept = np.concatenate([[True], np.repeat(changes, 2)])
        lows, highs = cells[kept].T.tolist()
        return cls(tuple(knots[changes].tolist()), tuple(lows), tuple(highs))

    def scores(self, logits: Float64, _: Form) -> Scores:
        """The probability and the interval of the cell that the logit lies in."""
        return self.steps.scores(logits)

    @cached_property
    def steps(self) -> Steps:
        """Each side by its own formula: 1 - p would lose the tail."""
        interval = np.stack([self.lower, self.upper], axis=1)
        weights = np.stack([1.0 - interval[:, 0], interval[:, 1]], axis=1)
        return Steps(np.array(self.logits), weights / weights.sum(axis=1, keepdims=True), interval)
