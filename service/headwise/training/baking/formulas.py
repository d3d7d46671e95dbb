"""The formulas of `heads` as TensorFlow ops in float64, keyed as HEAD_TABLE is.

Import it after `require_tensorflow`: TensorFlow prints less then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from headwise.heads import Activation, Layout, links
from headwise.heads.links import FloatDtype
from headwise.heads.scores import Form, Space

Tensor = Any


@dataclass(frozen=True, slots=True)
class GraphScores:
    """`heads.scores.Scores` as tensors."""

    evidence: Tensor
    space: Space
    probabilities: Tensor | None


@dataclass(frozen=True, slots=True)
class BakedCell:
    """`Legal` as ops. canonical: None where no calibrator can stand."""

    scores: Callable[[Tensor], GraphScores]
    canonical: Callable[[Tensor, FloatDtype], Tensor] | None = None


def _floored_log(p: Tensor) -> Tensor:
    return tf.math.log(tf.maximum(p, np.exp(links.LOG_FLOOR)))


def _floor(logs: Tensor) -> Tensor:
    return tf.maximum(logs, np.float64(links.LOG_FLOOR))


def _logit_of_probability(p: Tensor, source: FloatDtype) -> Tensor:
    return _floored_log(p) - tf.math.log(tf.maximum(1.0 - p, links.saturation_gap(source)))


def _logit_of_tanh(m: Tensor, source: FloatDtype) -> Tensor:
    gap = links.saturation_gap(source)
    return tf.math.log(tf.maximum(1.0 + m, gap)) - tf.math.log(tf.maximum(1.0 - m, gap))


def _running_minimum(values: Tensor) -> Tensor:
    """Along the last axis, whose size is the number of steps of an ordinal head."""
    columns = tf.unstack(values, axis=-1)
    for at in range(1, len(columns)):
        columns[at] = tf.minimum(columns[at - 1], columns[at])
    return tf.stack(columns, axis=-1)


def _class_steps(exceed: Tensor) -> Tensor:
    edge = tf.ones_like(exceed[:, :1])
    bounds = tf.concat([edge, exceed, tf.zeros_like(edge)], axis=1)
    return bounds[:, :-1] - bounds[:, 1:]


def _binary_from_logits(z: Tensor) -> GraphScores:
    return GraphScores(z, Space.LOGIT, tf.concat([tf.sigmoid(-z), tf.sigmoid(z)], axis=1))


def _multiclass_from_logits(z: Tensor) -> GraphScores:
    return GraphScores(z, Space.LOGIT, tf.nn.softmax(z))


def _multilabel_from_logits(z: Tensor) -> GraphScores:
    return GraphScores(z, Space.LOGIT, tf.sigmoid(z))


def _cumulative_from_logits(z: Tensor) -> GraphScores:
    return GraphScores(_running_minimum(z), Space.LOGIT, _class_steps(_running_minimum(tf.sigmoid(z))))


def _conditional_from_logits(z: Tensor) -> GraphScores:
    return _conditional_from_probabilities(tf.sigmoid(z))


def _binary_from_probabilities(p: Tensor) -> GraphScores:
    return GraphScores(p, Space.PROBABILITY, tf.concat([1.0 - p, p], axis=1))


def _classes_from_probabilities(p: Tensor) -> GraphScores:
    return GraphScores(p, Space.PROBABILITY, p)


def _cumulative_from_probabilities(p: Tensor) -> GraphScores:
    falling = _running_minimum(p)
    return GraphScores(falling, Space.PROBABILITY, _class_steps(falling))


def _conditional_from_probabilities(p: Tensor) -> GraphScores:
    falling = tf.math.cumprod(p, axis=1)
    return GraphScores(falling, Space.PROBABILITY, _class_steps(falling))


FROM_LOGITS: Mapping[Form, Callable[[Tensor], GraphScores]] = {
    Form.BINARY: _binary_from_logits,
    Form.MULTICLASS: _multiclass_from_logits,
    Form.MULTILABEL: _multilabel_from_logits,
    Form.CUMULATIVE: _cumulative_from_logits,
    Form.CONDITIONAL: _conditional_from_logits,
}
_FROM_PROBABILITIES: Mapping[Form, Callable[[Tensor], GraphScores]] = {
    Form.BINARY: _binary_from_probabilities,
    Form.MULTICLASS: _classes_from_probabilities,
    Form.MULTILABEL: _classes_from_probabilities,
    Form.CUMULATIVE: _cumulative_from_probabilities,
    Form.CONDITIONAL: _conditional_from_probabilities,
}


def _as_it_is(raw: Tensor) -> Tensor:
    return raw


def _difference(pair: Tensor) -> Tensor:
    return pair[:, 1:] - pair[:, :1]


def _logits(form: Form, prepare: Callable[[Tensor], Tensor] = _as_it_is) -> BakedCell:
    def canonical(raw: Tensor, _: FloatDtype) -> Tensor:
        z = prepare(raw)
        return _floor(tf.nn.log_softmax(z)) if form is Form.MULTICLASS else z

    return BakedCell(lambda raw: FROM_LOGITS[form](prepare(raw)), canonical)


def _probabilities(form: Form) -> BakedCell:
    return BakedCell(_FROM_PROBABILITIES[form], _logit_of_probability)


def _classes(probabilities: Callable[[Tensor], Tensor], logs: Callable[[Tensor], Tensor]) -> BakedCell:
    return BakedCell(lambda raw: _classes_from_probabilities(probabilities(raw)), lambda raw, _: logs(raw))


def _pair(probabilities: Callable[[Tensor], Tensor], logs: Callable[[Tensor], Tensor]) -> BakedCell:
    def scores(raw: Tensor) -> GraphScores:
        pair = probabilities(raw)
        return GraphScores(pair[:, 1:], Space.PROBABILITY, pair)

    return BakedCell(scores, lambda raw, _: _difference(logs(raw)))


def _margin(raw: Tensor) -> GraphScores:
    return GraphScores(raw, Space.MARGIN, None)


_VALUES = BakedCell(_margin)

BAKED_TABLE: Mapping[Layout, Mapping[Activation, BakedCell]] = {
    Layout.BINARY_ONE_UNIT: {
        "linear": _logits(Form.BINARY),
        "sigmoid": _probabilities(Form.BINARY),
        "tanh": BakedCell(_margin, _logit_of_tanh),
    },
    Layout.BINARY_TWO_UNITS: {
        "linear": _logits(Form.BINARY, _difference),
        "softmax": _pair(_as_it_is, _floored_log),
        "log_softmax": _pair(tf.exp, _floor),
    },
    Layout.MULTICLASS: {
        "linear": _logits(Form.MULTICLASS),
        "softmax": _classes(_as_it_is, _floored_log),
        "log_softmax": _classes(tf.exp, _floor),
    },
    Layout.MULTILABEL: {"linear": _logits(Form.MULTILABEL), "sigmoid": _probabilities(Form.MULTILABEL)},
    Layout.ORDINAL_CUMULATIVE: {"linear": _logits(Form.CUMULATIVE), "sigmoid": _probabilities(Form.CUMULATIVE)},
    Layout.ORDINAL_CONDITIONAL: {"linear": _logits(Form.CONDITIONAL), "sigmoid": _probabilities(Form.CONDITIONAL)},
    Layout.REGRESSION: {"linear": _VALUES, "sigmoid": _VALUES, "tanh": _VALUES},
}
"""The legal cells of HEAD_TABLE."""
