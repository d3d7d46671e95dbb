"""Calibrators that keep the answer and change only how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from headwise.heads.links import Float64, sigmoid, softmax
from headwise.heads.parameters import finite, within
from headwise.heads.scores import FROM_LOGITS, Form, Scores, Space

COLDEST = 1e-3
"""Smallest temperature: below it every answer is 0 or 1, and near 0 the logits would overflow."""


@dataclass(frozen=True, slots=True)
class Identity:
    """No change: calibration was tried, and nothing fitted the rows better than the model's own probabilities."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}
    FORMS: ClassVar = frozenset(Form)
    MONOTONE: ClassVar = frozenset(Form)
    KEEPS_ARGMAX: ClassVar = frozenset(Form)
    classes: ClassVar[None] = None

    method: Literal["identity"] = "identity"

    def scores(self, logits: Float64, form: Form) -> Scores:
        """The logits as they are."""
        return FROM_LOGITS[form](logits)


@dataclass(frozen=True, slots=True)
class Temperature:
    """sigmoid(z / T) and softmax(z / T) (Guo, Pleiss, Sun, Weinberger 2017)."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}
    FORMS: ClassVar = frozenset(Form)
    MONOTONE: ClassVar = frozenset(Form)
    KEEPS_ARGMAX: ClassVar = frozenset(Form) - {Form.CONDITIONAL}
    classes: ClassVar[None] = None

    temperature: float
    method: Literal["temperature"] = "temperature"

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperature", _temperature(self.temperature))

    def scores(self, logits: Float64, form: Form) -> Scores:
        """Divides every logit by the temperature."""
        if form is Form.MULTICLASS:
            # The quotients of two logits may round to a tie, so the logits themselves rank the classes.
            z = np.ascontiguousarray(logits / self.temperature)
            return Scores(logits, Space.LOGIT, softmax(z, out=z))
        return FROM_LOGITS[form](logits / self.temperature)


@dataclass(frozen=True, slots=True)
class TemperatureMixture:
    """(1 - e) softmax(z / T) + e / k for `uniform` e: a model that is surely wrong on some rows.

    Keeps the argmax. Binary: k = 2 and a sigmoid.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}
    FORMS: ClassVar = frozenset({Form.BINARY, Form.MULTICLASS})
    MONOTONE: ClassVar = FORMS
    KEEPS_ARGMAX: ClassVar = FORMS
    classes: ClassVar[None] = None

    temperature: float
    uniform: float
    method: Literal["temperature_mixture"] = "temperature_mixture"

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperature", _temperature(self.temperature))
        object.__setattr__(self, "uniform", finite("uniform", self.uniform))
        within("uniform", self.uniform, 0 <= self.uniform < 1, "0 or more, and below 1")

    def scores(self, logits: Float64, form: Form) -> Scores:
        """Divides every logit by the temperature, and gives the uniform share to each class alike."""
        z = logits / self.temperature
        if form is Form.MULTICLASS:
            shares = softmax(z)
            np.add(np.multiply(shares, 1.0 - self.uniform, out=shares), self.uniform / z.shape[1], out=shares)
            return Scores(logits, Space.LOGIT, shares)
        # A logit of 0 gives exactly one half: (1 - e) / 2 + e / 2 is off by half a bit at most, and that rounds to it.
        pair = (1.0 - self.uniform) * sigmoid(np.concatenate([-z, z], axis=1)) + 0.5 * self.uniform
        return Scores(pair[:, 1:], Space.PROBABILITY, pair)


def _temperature(value: object) -> float:
    expected = f"finite and {COLDEST} or more"
    number = finite("temperature", value)
    within("temperature", value, number >= COLDEST, expected)
    return number
