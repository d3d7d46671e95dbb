"""Rules from scores to labels, and which of request, card and default speaks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator

from headwise.errors import InvalidCardError, InvalidRequestError
from headwise.heads.links import Float64, logit
from headwise.heads.scores import Scores, Space
from headwise.heads.spec import Task

Source = Literal["request", "card", "default"]


def _require_cut(name: str, value: float) -> None:
    if not (math.isfinite(value) and 0 < value < 1):
        raise InvalidCardError(f"{name} is {value}: it must lie between 0 and 1, both excluded")


@dataclass(frozen=True, slots=True)
class Threshold:
    """Positive where p >= threshold: the positive class, each label, or each step of an ordinal head.

    `thresholds` are further cuts that a request may choose by name.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}

    threshold: float = 0.5
    thresholds: Mapping[str, float] = field(default_factory=dict)
    rule: Literal["threshold"] = "threshold"

    def __post_init__(self) -> None:
        _require_cut("threshold", self.threshold)
        for name, value in self.thresholds.items():
            _require_cut(f"threshold {name!r}", value)


@dataclass(frozen=True, slots=True)
class PerLabel:
    """Multilabel: a label is on where its p >= its own threshold."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}

    thresholds: Mapping[str, float]
    rule: Literal["per_label"] = "per_label"

    def __post_init__(self) -> None:
        for label, value in self.thresholds.items():
            _require_cut(f"threshold of label {label!r}", value)


@dataclass(frozen=True, slots=True)
class Argmax:
    """The class with the largest probability; ties go to the lowest index."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}

    rule: Literal["argmax"] = "argmax"


Rule = Threshold | PerLabel | Argmax
Decision = Annotated[Rule, Discriminator("rule")]

RULES: Mapping[Task, tuple[str, ...]] = {
    "binary": ("threshold",),
    "multiclass": ("argmax",),
    "multilabel": ("threshold", "per_label"),
    "ordinal": ("threshold",),
    "regression": (),
}
"""Which rules a task may have."""

DEFAULTS: Mapping[Task, Rule | None] = {
    "binary": Threshold(),
    "multiclass": Argmax(),
    "multilabel": Threshold(),
    "ordinal": Threshold(),
    "regression": None,
}
"""The rule where a card has none."""

CUT_BY_REQUEST: frozenset[Task] = frozenset({"binary", "multilabel"})
"""Tasks whose threshold a request may choose."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a request may ask of one head.

    Raises: InvalidRequestError for a threshold outside (0, 1) or a top_k below 1.
    """

    threshold: float | str | None = None
    top_k: int | None = None

    def __post_init__(self) -> None:
        cut = self.threshold
        if isinstance(cut, int | float) and not (math.isfinite(cut) and 0 < cut < 1):
            raise InvalidRequestError(f"threshold is {cut}: it must lie between 0 and 1, both excluded")
        if self.top_k is not None and self.top_k < 1:
            raise InvalidRequestError(f"top_k is {self.top_k}: it must be 1 or more")


@dataclass(frozen=True, slots=True)
class Applied:
    """The rule that was applied, its cuts in label order (None for argmax and regression), who set them."""

    rule: str | None
    source: Source
    cuts: tuple[float, ...] | None = None
    name: str | None = None


AT_ZERO = Applied("threshold", "default", (0.0,))
"""How a margin is decided: it has no probability to compare."""


def resolve(decision: Rule | None, task: Task, labels: tuple[str, ...], wanted: float | str | None) -> Applied:
    """Request over card over default.

    Raises: InvalidRequestError if the head takes no threshold from a request, or none of that name.
    """
    if wanted is not None and task not in CUT_BY_REQUEST:
        raise InvalidRequestError(f"a {task} head takes no threshold: only binary and multilabel heads do")
    source: Source = "default" if decision is None else "card"
    decision = decision or DEFAULTS[task]
    width = len(labels) if task == "multilabel" else 1
    if isinstance(wanted, str):
        cuts = (_named(decision, wanted),) * width
        return Applied("threshold", "request", cuts, wanted)
    if wanted is not None:
        return Applied("threshold", "request", (float(wanted),) * width)
    match decision:
        case Threshold():
            return Applied(decision.rule, source, (decision.threshold,) * width)
        case PerLabel():
            return Applied(decision.rule, source, tuple(decision.thresholds[label] for label in labels))
        case _:
            return Applied(decision.rule if decision else None, source)


def _named(decision: Rule | None, name: str) -> float:
    known = decision.thresholds if isinstance(decision, Threshold) else {}
    if name not in known:
        listed = ", ".join(map(repr, known)) or "none"
        raise InvalidRequestError(f"no threshold is named {name!r}; the card names: {listed}")
    return known[name]


def above(scores: Scores, cuts: tuple[float, ...]) -> NDArray[np.bool_]:
    """p >= cut for each column of the evidence (rows, k), compared as logits where the evidence is one."""
    cut = np.asarray(cuts, dtype=np.float64)
    return scores.evidence >= (logit(cut) if scores.space is Space.LOGIT else cut)


def ranked(scores: Scores, probabilities: Float64, count: int) -> NDArray[np.int64]:
    """Indices (rows, min(count, classes)) of the most probable classes; ties go to the lowest index.

    The evidence ranks where it has a column a class, as argmax does: probabilities that rounded to a tie do not.
    """
    by = scores.evidence if scores.evidence.shape == probabilities.shape else probabilities
    return np.argsort(-by, axis=1, kind="stable")[:, :count]
