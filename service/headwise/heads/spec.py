"""HEAD_TABLE: which heads exist, how each is read, and why the others are refused.

Code, docs/heads.md and tests all read this one table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

from headwise.errors import UnsupportedHeadError
from headwise.heads import links
from headwise.heads.links import Float64, FloatDtype
from headwise.heads.scores import FROM_LOGITS, FROM_PROBABILITIES, Form, Scores, Space

Task = Literal["binary", "multiclass", "multilabel", "ordinal", "regression"]
"""What is predicted."""

Activation = Literal["linear", "sigmoid", "softmax", "log_softmax", "tanh"]
"""What the exported graph has already applied; linear means raw logits."""

Encoding = Literal["cumulative", "conditional"]
"""What an ordinal unit stands for: P(y > k), or P(y > k | y >= k)."""


class Layout(StrEnum):
    """A row of HEAD_TABLE: a task with its number of units and, for ordinal heads, their encoding."""

    BINARY_ONE_UNIT = "binary, 1 unit"
    BINARY_TWO_UNITS = "binary, 2 units"
    MULTICLASS = "multiclass, N >= 2"
    MULTILABEL = "multilabel, N >= 1"
    ORDINAL_CUMULATIVE = "ordinal (cumulative), K-1 units, K labels"
    ORDINAL_CONDITIONAL = "ordinal (conditional), K-1 units, K labels"
    REGRESSION = "regression"


@dataclass(frozen=True, slots=True)
class Legal:
    """A head that headwise reads.

    scores: raw output (rows, units) float64 -> Scores, without calibration.
    canonical: raw output and the dtype it came in -> canonical logits of `form`, for a calibrator.
    value_range: the range that a regression head must declare, if any.
    """

    formula: str
    scores: Callable[[Float64], Scores]
    form: Form | None = None
    canonical: Callable[[Float64, FloatDtype], Float64] | None = None
    value_range: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A head that cannot mean what it says: why, and what to write instead.

    code: of the diagnosis that explains it at length, in docs/diagnostics.md.
    """

    code: str
    why: str
    instead: str


Cell = Legal | Refused


def _from_logits(formula: str, form: Form, prepare: Callable[[Float64], Float64] = lambda z: z) -> Legal:
    def canonical(raw: Float64, _: FloatDtype) -> Float64:
        z = prepare(raw)
        if form is not Form.MULTICLASS:
            return z
        logs = links.log_softmax(z)
        return np.maximum(logs, links.LOG_FLOOR, out=logs)

    return Legal(formula, lambda raw: FROM_LOGITS[form](prepare(raw)), form, canonical)


def _from_probabilities(formula: str, form: Form) -> Legal:
    return Legal(formula, FROM_PROBABILITIES[form], form, links.logit_of_probability)


def _from_classes(
    formula: str, probabilities: Callable[[Float64], Float64], logs: Callable[[Float64], Float64]
) -> Legal:
    """Probabilities that sum to one over classes."""
    return Legal(
        formula,
        lambda raw: FROM_PROBABILITIES[Form.MULTICLASS](probabilities(raw)),
        Form.MULTICLASS,
        lambda raw, _: logs(raw),
    )


def _from_pair(formula: str, probabilities: Callable[[Float64], Float64], logs: Callable[[Float64], Float64]) -> Legal:
    """Two probabilities that sum to one: the second is the positive class."""

    def scores(raw: Float64) -> Scores:
        pair = probabilities(raw)
        return Scores(pair[:, 1:], Space.PROBABILITY, pair)

    def canonical(raw: Float64, _: FloatDtype) -> Float64:
        pair = logs(raw)
        return pair[:, 1:] - pair[:, :1]

    return Legal(formula, scores, Form.BINARY, canonical)


def _floor(logs: Float64) -> Float64:
    return np.maximum(logs, links.LOG_FLOOR)


def _as_it_is(raw: Float64) -> Float64:
    return raw


def _values(formula: str, value_range: tuple[float, float] | None = None) -> Legal:
    return Legal(formula, lambda raw: Scores(raw, Space.MARGIN, None), value_range=value_range)


_MARGIN = Legal(
    "margin m, decided at 0; a probability only with a calibrator",
    lambda raw: Scores(raw, Space.MARGIN, None),
    Form.BINARY,
    links.logit_of_tanh,
)
_ONE_SOFTMAX = Refused(
    "HW101",
    "one softmax unit is always 1: softmax normalises over the units, and there is only one",
    'export Dense(1) without activation and write "activation": "linear", or Dense(2) with softmax',
)
_TWO_SIGMOIDS = Refused(
    "HW102",
    "two independent sigmoids need not sum to 1, so they are two labels, not two classes",
    'write "task": "multilabel", or train Dense(1) with sigmoid or Dense(2) with softmax',
)
_MANY_SIGMOIDS = Refused(
    "HW102",
    "independent sigmoids need not sum to 1 over exclusive classes",
    'write "task": "multilabel" if labels may occur together, or train with softmax',
)
_COMPETING = Refused(
    "HW107",
    "softmax makes labels compete: no two of them could be on together",
    'write "task": "multiclass" if exactly one label holds, or train with sigmoid',
)
_TANH_CLASSES = Refused(
    "HW125",
    "tanh gives margins in [-1, 1], which are neither logits nor probabilities of several classes",
    "export the layer without activation and declare it linear",
)
_ORDINAL_CLASSES = Refused(
    "HW126",
    "an ordinal head has one unit a step, P(y > k); softmax and tanh over classes do not give that",
    'write "task": "multiclass", or train K-1 steps with sigmoid or linear units',
)
_NO_VALUES = Refused(
    "HW127",
    "softmax and log_softmax give shares of one, not a quantity",
    'write "task": "multiclass", or train a linear unit for regression',
)

_STEPS_LINEAR = "P(y > k) = sigmoid(z_k), made monotone by the running minimum"
_STEPS_SIGMOID = "P(y > k) = p_k, made monotone by the running minimum"
_PRODUCT_LINEAR = "P(y > k) = product of sigmoid(z_j) for j <= k"
_PRODUCT_SIGMOID = "P(y > k) = product of p_j for j <= k"

HEAD_TABLE: Mapping[Layout, Mapping[Activation, Cell]] = {
    Layout.BINARY_ONE_UNIT: {
        "linear": _from_logits("sigmoid(z)", Form.BINARY),
        "sigmoid": _from_probabilities("p as it is", Form.BINARY),
        "softmax": _ONE_SOFTMAX,
        "log_softmax": _ONE_SOFTMAX,
        "tanh": _MARGIN,
    },
    Layout.BINARY_TWO_UNITS: {
        "linear": _from_logits("sigmoid(z1 - z0)", Form.BINARY, lambda raw: raw[:, 1:] - raw[:, :1]),
        "sigmoid": _TWO_SIGMOIDS,
        "softmax": _from_pair("p1 as it is", _as_it_is, links.floored_log),
        "log_softmax": _from_pair("exp(log p1)", np.exp, _floor),
        "tanh": _TANH_CLASSES,
    },
    Layout.MULTICLASS: {
        "linear": _from_logits("softmax(z)", Form.MULTICLASS),
        "sigmoid": _MANY_SIGMOIDS,
        "softmax": _from_classes("p as it is", _as_it_is, links.floored_log),
        "log_softmax": _from_classes("exp(log p)", np.exp, _floor),
        "tanh": _TANH_CLASSES,
    },
    Layout.MULTILABEL: {
        "linear": _from_logits("sigmoid(z) each", Form.MULTILABEL),
        "sigmoid": _from_probabilities("p as it is", Form.MULTILABEL),
        "softmax": _COMPETING,
        "log_softmax": _COMPETING,
        "tanh": _TANH_CLASSES,
    },
    Layout.ORDINAL_CUMULATIVE: {
        "linear": _from_logits(_STEPS_LINEAR, Form.CUMULATIVE),
        "sigmoid": _from_probabilities(_STEPS_SIGMOID, Form.CUMULATIVE),
        "softmax": _ORDINAL_CLASSES,
        "log_softmax": _ORDINAL_CLASSES,
        "tanh": _ORDINAL_CLASSES,
    },
    Layout.ORDINAL_CONDITIONAL: {
        "linear": _from_logits(_PRODUCT_LINEAR, Form.CONDITIONAL),
        "sigmoid": _from_probabilities(_PRODUCT_SIGMOID, Form.CONDITIONAL),
        "softmax": _ORDINAL_CLASSES,
        "log_softmax": _ORDINAL_CLASSES,
        "tanh": _ORDINAL_CLASSES,
    },
    Layout.REGRESSION: {
        "linear": _values("the value as it is"),
        "sigmoid": _values("the value as it is, in [0, 1]", (0.0, 1.0)),
        "softmax": _NO_VALUES,
        "log_softmax": _NO_VALUES,
        "tanh": _values("the value as it is, in [-1, 1]", (-1.0, 1.0)),
    },
}


def legal(layout: Layout, activation: Activation) -> Legal:
    """The legal cell of HEAD_TABLE.

    Raises: UnsupportedHeadError, saying what is wrong, why, and what to write instead.
    """
    cell = HEAD_TABLE[layout][activation]
    if isinstance(cell, Refused):
        raise UnsupportedHeadError(f"{layout} with activation {activation}: {cell.why}; {cell.instead} ({cell.code})")
    return cell
