"""Calibrators that stretch and move logits: by class, or by side of the positive class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from headwise.errors import InvalidCardError
from headwise.heads.links import Float64, softmax
from headwise.heads.parameters import LIMIT, NO_SWAP, finite, numbers, require_count, within
from headwise.heads.scores import FROM_LOGITS, Form, Scores, Space

_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Vector:
    """softmax(slope_k * log p_k + intercept_k): one slope and intercept a class (Guo et al. 2017)."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}
    FORMS: ClassVar = frozenset({Form.MULTICLASS})
    MONOTONE: ClassVar = FORMS
    KEEPS_ARGMAX: ClassVar = frozenset[Form]()

    slopes: tuple[float, ...]
    intercepts: tuple[float, ...]
    method: Literal["vector"] = "vector"

    def __post_init__(self) -> None:
        object.__setattr__(self, "slopes", numbers("slopes", self.slopes))
        object.__setattr__(self, "intercepts", numbers("intercepts", self.intercepts))
        if len(self.slopes) < 2:
            raise InvalidCardError(f"slopes has {len(self.slopes)} entries: it must have one a class, 2 or more")
        require_count("intercepts", self.intercepts, len(self.slopes), "one a class, as slopes has")
        for at, (slope, intercept) in enumerate(zip(self.slopes, self.intercepts, strict=True)):
            within(f"slopes[{at}]", slope, 0 < slope <= LIMIT, f"above 0 and at most {LIMIT:g}; {NO_SWAP}")
            within(f"intercepts[{at}]", intercept, abs(intercept) <= LIMIT, f"from {-LIMIT:g} to {LIMIT:g}")

    @property
    def classes(self) -> int:
        """One slope a class."""
        return len(self.slopes)

    def scores(self, logits: Float64, _: Form) -> Scores:
        """Moves and stretches the log-probability of each class."""
        slopes, intercepts = self._arrays
        z = slopes * logits + intercepts
        return Scores(z, Space.LOGIT, softmax(z))

    @cached_property
    def _arrays(self) -> tuple[Float64, Float64]:
        return np.array(self.slopes), np.array(self.intercepts)


@dataclass(frozen=True, slots=True)
class Platt:
    """sigmoid(slope * z + intercept), on the LOGIT of the positive class (Platt 1999).

    Ordinal heads have one slope and intercept for all steps, which keeps the steps in order.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}
    FORMS: ClassVar = frozenset({Form.BINARY, Form.CUMULATIVE, Form.CONDITIONAL})
    MONOTONE: ClassVar = FORMS
    KEEPS_ARGMAX: ClassVar = frozenset[Form]()
    classes: ClassVar[None] = None

    slope: float
    intercept: float
    method: Literal["platt"] = "platt"

    def __post_init__(self) -> None:
        object.__setattr__(self, "slope", finite("slope", self.slope))
        object.__setattr__(self, "intercept", finite("intercept", self.intercept))
        within("slope", self.slope, self.slope > 0, f"finite and above 0; {NO_SWAP}")

    def scores(self, logits: Float64, form: Form) -> Scores:
        """Moves and stretches the logit."""
        return FROM_LOGITS[form](self.slope * logits + self.intercept)


@dataclass(frozen=True, slots=True)
class Beta:
    """logit p = a log p0 - b log(1 - p0) + c, where p0 = sigmoid(z) (Kull, Silva Filho, Flach 2017)."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}
    FORMS: ClassVar = frozenset({Form.BINARY})
    MONOTONE: ClassVar = FORMS
    KEEPS_ARGMAX: ClassVar = frozenset[Form]()
    classes: ClassVar[None] = None

    a: float
    b: float
    c: float
    method: Literal["beta"] = "beta"

    def __post_init__(self) -> None:
        for name in ("a", "b", "c"):
            object.__setattr__(self, name, finite(name, getattr(self, name)))
        for name, slope in (("a", self.a), ("b", self.b)):
            within(name, slope, slope >= 0, f"0 or more; {NO_SWAP}")
        if self.a == self.b == 0:
            raise InvalidCardError("a and b are both 0: every row would get the same probability")

    def scores(self, logits: Float64, form: Form) -> Scores:
        """Stretches the logit by its side of 0, and moves it."""
        # Infinite logits are cut to the largest number, because a slope of 0 times infinity is no number.
        z = np.minimum(np.maximum(logits, -_LARGEST), _LARGEST)
        return FROM_LOGITS[form](bent(z, self.a, self.b, self.b - self.a) + self.c)


def bent(logits: Float64, a: float | Float64, b: float | Float64, bend: float | Float64) -> Float64:
    """a log sigmoid(z) - b log sigmoid(-z) of finite logits, with bend = b - a; exactly a z where a = b.

    log sigmoid(z) is min(z, 0) - t and log sigmoid(-z) is -max(z, 0) - t, with t = log(1 + exp(-|z|)).
    """
    z = np.ascontiguousarray(logits)
    t = np.log1p(np.exp(-np.abs(z)))
    result: Float64 = np.where(z < 0, a, b) * z + bend * t
    return result
