"""Fitted maps from canonical logits to probabilities. A new one is a class and a line in CALIBRATORS."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import Discriminator

from headwise.errors import InvalidCardError
from headwise.heads.links import Float64
from headwise.heads.scores import FROM_LOGITS, Form, Scores

COLDEST = 1e-3
"""Smallest temperature: below it every answer is 0 or 1, and near 0 the logits would overflow."""


class Calibrator(Protocol):
    """What every calibrator offers; its other fields are its parameters in the card."""

    FORMS: ClassVar[frozenset[Form]]
    """The canonical logits it can be applied to."""

    @property
    def method(self) -> str:
        """Its name in the card."""

    def scores(self, logits: Float64, form: Form) -> Scores:
        """Canonical logits (rows, k) float64 of `form` -> calibrated scores; each row for itself."""


@dataclass(frozen=True, slots=True)
class Temperature:
    """sigmoid(z / T) and softmax(z / T) (Guo, Pleiss, Sun, Weinberger 2017)."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}
    FORMS: ClassVar = frozenset(Form)

    temperature: float
    method: Literal["temperature"] = "temperature"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= COLDEST):
            raise InvalidCardError(f"temperature is {self.temperature}: it must be finite and {COLDEST} or more")

    def scores(self, logits: Float64, form: Form) -> Scores:
        """Divides every logit by the temperature."""
        return FROM_LOGITS[form](logits / self.temperature)


@dataclass(frozen=True, slots=True)
class Platt:
    """sigmoid(slope * z + intercept), on the LOGIT of the positive class (Platt 1999)."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}
    FORMS: ClassVar = frozenset({Form.BINARY})

    slope: float
    intercept: float
    method: Literal["platt"] = "platt"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and self.slope > 0):
            raise InvalidCardError(
                f"slope is {self.slope}: it must be finite and above 0; a negative one would swap the labels"
            )
        if not math.isfinite(self.intercept):
            raise InvalidCardError(f"intercept is {self.intercept}: it must be a finite number")

    def scores(self, logits: Float64, form: Form) -> Scores:
        """Moves and stretches the logit."""
        return FROM_LOGITS[form](self.slope * logits + self.intercept)


AnyCalibrator = Annotated[Temperature | Platt, Discriminator("method")]
"""The registered calibrators as one type, told apart by "method"."""

CALIBRATORS: Mapping[str, type[Temperature | Platt]] = {"temperature": Temperature, "platt": Platt}
