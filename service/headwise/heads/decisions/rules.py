"""Rules from scores to labels, as a card or a request gives them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Discriminator

from headwise.errors import InvalidCardError
from headwise.heads.decisions.abstention import Abstain
from headwise.heads.links import Float64
from headwise.heads.parameters import numbers, share, whole, within
from headwise.heads.prediction_sets import PredictionSet


def _cuts(name: str, values: Any) -> dict[str, float]:
    if not isinstance(values, Mapping):
        raise InvalidCardError(f"thresholds is {values!r}: it must hold numbers by name")
    return {key: share(f"{name} {key!r}", value) for key, value in values.items()}


def _check_parts(abstain: object, prediction_set: object, top_k: int | None) -> None:
    for name, value, kind in (("abstain", abstain, Abstain), ("prediction_set", prediction_set, PredictionSet)):
        if value is not None and not isinstance(value, kind):
            raise InvalidCardError(f"{name} is {value!r}: it must be one of headwise's {kind.__name__}")
    _check_top_k(top_k)


def _check_top_k(count: object) -> None:
    if count is not None:
        whole("top_k", count, 1)


def _rows(costs: object) -> tuple[tuple[float, ...], ...]:
    if isinstance(costs, str) or not isinstance(costs, Iterable):
        raise InvalidCardError(f"costs is {costs!r}: it must be a list of rows of numbers")
    return tuple(numbers(f"costs[{true}]", row) for true, row in enumerate(costs))


def _check_costs(costs: tuple[tuple[float, ...], ...]) -> None:
    classes = len(costs)
    if classes < 2 or any(len(row) != classes for row in costs):
        raise InvalidCardError(
            f"costs has {classes} rows of {', '.join(str(len(row)) for row in costs) or 'no'} numbers: it must be "
            "square, a row for each true class and a column for each answer"
        )
    for true, row in enumerate(costs):
        for answered, cost in enumerate(row):
            within(f"costs[{true}][{answered}]", cost, cost >= 0, "0 or more")
        if row[true] > min(row):
            raise InvalidCardError(
                f"costs[{true}] makes the right answer dearer than a wrong one: a row is the true class, a column the "
                "answer, and the numbers are costs, not gains"
            )
    for answered in range(classes):
        if all(row[answered] <= min(row) for row in costs):
            raise InvalidCardError(
                f"costs make class {answered} the cheapest answer whatever is true, so it would always be given: "
                "every error that matters must cost more than the right answer"
            )


@dataclass(frozen=True, slots=True)
class Threshold:
    """Positive where p >= threshold: the positive class, each label, or each step of an ordinal head.

    `thresholds` are further cuts that a request may choose by name. objective: how the cut was tuned, in words.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}

    threshold: float = 0.5
    thresholds: Mapping[str, float] = field(default_factory=dict)
    objective: str | None = None
    abstain: Abstain | None = None
    prediction_set: PredictionSet | None = None
    top_k: int | None = None
    rule: Literal["threshold"] = "threshold"

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", share("threshold", self.threshold))
        object.__setattr__(self, "thresholds", _cuts("threshold", self.thresholds))
        _check_parts(self.abstain, self.prediction_set, self.top_k)


@dataclass(frozen=True, slots=True)
class PerLabel:
    """Multilabel: a label is on where its p >= its own threshold. objective: how they were tuned, in words."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}

    thresholds: Mapping[str, float]
    objective: str | None = None
    top_k: int | None = None
    rule: Literal["per_label"] = "per_label"

    def __post_init__(self) -> None:
        object.__setattr__(self, "thresholds", _cuts("threshold of label", self.thresholds))
        _check_top_k(self.top_k)


@dataclass(frozen=True, slots=True)
class Argmax:
    """The class with the largest probability; ties go to the lowest index."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}

    objective: str | None = None
    abstain: Abstain | None = None
    prediction_set: PredictionSet | None = None
    top_k: int | None = None
    rule: Literal["argmax"] = "argmax"

    def __post_init__(self) -> None:
        _check_parts(self.abstain, self.prediction_set, self.top_k)


@dataclass(frozen=True)
class Cost:
    """The answer with the least expected cost (Elkan 2001); ties go to the lowest index.

    costs: a row for each class that is true, a column for each that is answered. On a binary head the rule is the
    threshold that it implies, and so positive at the cut, as every binary head is.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}

    costs: tuple[tuple[float, ...], ...]
    objective: str | None = None
    abstain: Abstain | None = None
    prediction_set: PredictionSet | None = None
    top_k: int | None = None
    rule: Literal["cost"] = "cost"

    def __post_init__(self) -> None:
        object.__setattr__(self, "costs", _rows(self.costs))
        _check_costs(self.costs)
        if len(self.costs) == 2:
            share("the threshold that costs imply", self.cut)
        _check_parts(self.abstain, self.prediction_set, self.top_k)

    @property
    def cut(self) -> float:
        """Two classes: P(positive) from which a positive answer costs no more, c_fp / (c_fp + c_fn)."""
        (right_negative, false_positive), (false_negative, right_positive) = self.costs
        over, missed = false_positive - right_negative, false_negative - right_positive
        # Divided first, so that large costs cannot overflow; 2 below 10 gives exactly 1 / 6.
        return over / (over + missed) if math.isfinite(over + missed) else 1.0 / (1.0 + missed / over)

    @cached_property
    def matrix(self) -> Float64:
        """`costs` as (classes, classes) float64."""
        return np.array(self.costs, np.float64)


Rule = Threshold | PerLabel | Argmax | Cost
Decision = Annotated[Rule, Discriminator("rule")]
