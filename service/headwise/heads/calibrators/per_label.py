"""A calibrator for each label of a multilabel head."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator

from headwise.errors import InvalidCardError
from headwise.heads.calibrators.slopes import Beta, Platt, bent
from headwise.heads.calibrators.steps import Isotonic, Steps, VennAbers
from headwise.heads.calibrators.temperature import Identity, Temperature, TemperatureMixture
from headwise.heads.links import Float64, sigmoid
from headwise.heads.scores import Form, Scores, Space

Binary = Identity | Temperature | TemperatureMixture | Platt | Beta | Isotonic | VennAbers
"""What a single label may have."""

BinaryCalibrator = Annotated[Binary, Discriminator("method")]


@dataclass(frozen=True)
class EachLabel:
    """Label j is calibrated by calibrators[j], bit for bit as if it stood alone.

    Where all of them stay in logits, thresholds are compared as logits; otherwise all are compared as probabilities.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}
    FORMS: ClassVar = frozenset({Form.MULTILABEL})
    MONOTONE: ClassVar = FORMS
    KEEPS_ARGMAX: ClassVar = frozenset[Form]()

    calibrators: tuple[BinaryCalibrator, ...]
    method: Literal["per_label"] = "per_label"

    def __post_init__(self) -> None:
        if not isinstance(self.calibrators, Iterable):
            raise InvalidCardError(f"calibrators is {self.calibrators!r}: it must be a list with one a label")
        object.__setattr__(self, "calibrators", tuple(self.calibrators))
        if not self.calibrators:
            raise InvalidCardError("calibrators is empty: it must have one a label")
        for at, calibrator in enumerate(self.calibrators):
            if not isinstance(calibrator, Binary):
                raise InvalidCardError(f"calibrators[{at}] is {calibrator!r}: it must be a binary calibrator")

    @property
    def classes(self) -> int:
        """One calibrator a label."""
        return len(self.calibrators)

    def scores(self, logits: Float64, _: Form) -> Scores:
        """Each column by its own calibrator, all columns of a family at once."""
        return self._columns.scores(logits)

    @cached_property
    def _columns(self) -> _Columns:
        return _Columns.of(self.calibrators)


@dataclass(frozen=True, slots=True)
class _Columns:
    """The parameters of all labels as arrays (labels,), so that a row costs few numpy calls however many labels it has.

    logit: bent(z, a, b) / temperature + intercept, of finite logits. bends: b and b - a. mixture: 1 - e and e / 2.
    A label that a family does not concern has the parameters that change nothing there; a family that concerns no
    label is None.
    """

    a: Float64
    bends: tuple[Float64, Float64] | None
    temperatures: Float64
    intercepts: Float64
    mixture: tuple[Float64, Float64] | None
    steps: _JoinedSteps | None

    @classmethod
    def of(cls, calibrators: Sequence[Binary]) -> _Columns:
        a, b, temperatures, intercepts = map(np.array, zip(*map(_logit_parameters, calibrators), strict=True))
        uniform = np.array([by.uniform if isinstance(by, TemperatureMixture) else 0.0 for by in calibrators])
        steps = [by.steps if isinstance(by, Isotonic | VennAbers) else None for by in calibrators]
        return cls(
            a,
            (b, b - a) if any(isinstance(by, Beta) for by in calibrators) else None,
            temperatures,
            intercepts,
            (1.0 - uniform, 0.5 * uniform) if any(isinstance(by, TemperatureMixture) for by in calibrators) else None,
            _JoinedSteps.of(steps) if any(steps) else None,
        )

    def scores(self, logits: Float64) -> Scores:
        stretched = self.a * logits if self.bends is None else bent(logits, self.a, *self.bends)
        z = stretched / self.temperatures + self.intercepts
        p = sigmoid(z)
        if self.mixture is not None:
            kept, added = self.mixture
            p = kept * p + added
        if self.mixture is None and self.steps is None:
            return Scores(z, Space.LOGIT, p)
        if self.steps is None:
            return Scores(p, Space.PROBABILITY, p)
        p, interval = self.steps.over(p, logits)
        return Scores(p, Space.PROBABILITY, p, interval)


def _logit_parameters(by: Binary) -> tuple[float, float, float, float]:
    """a, b, temperature and intercept."""
    match by:
        case Temperature() | TemperatureMixture():
            return 1.0, 1.0, by.temperature, 0.0
        case Platt():
            return by.slope, by.slope, 1.0, by.intercept
        case Beta():
            return by.a, by.b, 1.0, by.c
        case Identity() | Isotonic() | VennAbers():
            return 1.0, 1.0, 1.0, 0.0


@dataclass(frozen=True, slots=True)
class _JoinedSteps:
    """The step functions of all labels as one, found in one search; labels without one have no knots and one cell.

    numpy sorts complex numbers by their real part, then by the imaginary one: (label, knot).
    """

    joined: Steps
    positive: Float64
    labels: NDArray[np.intp]
    stepped: NDArray[np.bool_]

    @classmethod
    def of(cls, steps: Sequence[Steps | None]) -> _JoinedSteps:
        """Puts the knots and the cells of all behind each other; NaN where a label has no interval."""
        each = [_NO_STEPS if step is None else step for step in steps]
        labels = np.arange(len(each))
        knots = _pairs(labels.repeat([len(step.knots) for step in each]), np.concatenate([s.knots for s in each]))
        probabilities = np.concatenate([step.probabilities for step in each])
        intervals = [np.full(s.probabilities.shape, np.nan) if s.interval is None else s.interval for s in each]
        told = any(step.interval is not None for step in each)
        return cls(
            Steps(knots, probabilities, np.concatenate(intervals) if told else None),
            np.ascontiguousarray(probabilities[:, 1]),
            labels,
            np.array([step is not None for step in steps]),
        )

    def over(self, probabilities: Float64, logits: Float64) -> tuple[Float64, Float64 | None]:
        """The probabilities (rows, labels) with those of the step functions put in, and intervals, if there are any."""
        # Each function has one cell more than twice its knots, so those before it add one each.
        cells = self.joined.cells(_pairs(self.labels, logits)) + self.labels
        interval = None if self.joined.interval is None else self.joined.interval.take(cells, axis=0)
        return np.where(self.stepped, self.positive.take(cells), probabilities), interval


_NO_STEPS = Steps(np.empty(0), np.full((1, 2), np.nan))


def _pairs(labels: NDArray[np.intp], values: Float64) -> NDArray[np.complex128]:
    pairs = np.empty(values.shape, np.complex128)
    pairs.real, pairs.imag = labels, values
    return pairs
