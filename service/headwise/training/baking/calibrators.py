"""Calibrators and the prior correction as TensorFlow ops in float64, keyed as CALIBRATORS is.

Import it after `require_tensorflow`, as formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from headwise.heads import (
    Beta,
    EachLabel,
    Identity,
    Isotonic,
    Platt,
    Prior,
    Temperature,
    TemperatureMixture,
    Vector,
    VennAbers,
)
from headwise.heads.links import Float64
from headwise.heads.scores import Form, Space
from headwise.training.baking.formulas import FROM_LOGITS, GraphScores, Tensor

_LARGEST = float(np.finfo(np.float64).max)
_TINY = np.finfo(np.float64).tiny


def _identity(_: Identity, z: Tensor, form: Form) -> GraphScores:
    return FROM_LOGITS[form](z)


def _temperature(by: Temperature, z: Tensor, form: Form) -> GraphScores:
    if form is Form.MULTICLASS:
        return GraphScores(z, Space.LOGIT, tf.nn.softmax(z / by.temperature))
    return FROM_LOGITS[form](z / by.temperature)


def _temperature_mixture(by: TemperatureMixture, z: Tensor, form: Form) -> GraphScores:
    kept = 1.0 - by.uniform
    if form is Form.MULTICLASS:
        shares = kept * tf.nn.softmax(z / by.temperature) + by.uniform / z.shape[1]
        return GraphScores(z, Space.LOGIT, shares)
    pair = kept * tf.sigmoid(tf.concat([-z, z], axis=1) / by.temperature) + 0.5 * by.uniform
    return GraphScores(pair[:, 1:], Space.PROBABILITY, pair)


def _vector(by: Vector, z: Tensor, form: Form) -> GraphScores:
    return FROM_LOGITS[form](np.array(by.slopes) * z + np.array(by.intercepts))


def _platt(by: Platt, z: Tensor, form: Form) -> GraphScores:
    return FROM_LOGITS[form](by.slope * z + by.intercept)


def _beta(by: Beta, z: Tensor, form: Form) -> GraphScores:
    z = tf.clip_by_value(z, -_LARGEST, _LARGEST)
    t = tf.math.log1p(tf.exp(-tf.abs(z)))
    stretched = tf.where(z < 0, np.float64(by.a), np.float64(by.b)) * z
    return FROM_LOGITS[form](stretched + (by.b - by.a) * t + by.c)


def _steps(by: Isotonic | VennAbers, z: Tensor, _: Form) -> GraphScores:
    knots = tf.constant(by.steps.knots)
    cells = tf.searchsorted(knots, z[:, 0], "left") + tf.searchsorted(knots, z[:, 0], "right")
    pair = tf.gather(tf.constant(by.steps.probabilities), cells)
    return GraphScores(pair[:, 1:], Space.PROBABILITY, pair)


def _per_label(by: EachLabel, z: Tensor, _: Form) -> GraphScores:
    each = [BAKED_CALIBRATORS[one.method](one, z[:, at : at + 1], Form.BINARY) for at, one in enumerate(by.calibrators)]
    p = tf.concat([_pair(scores)[:, 1:] for scores in each], axis=1)
    if all(scores.space is Space.LOGIT for scores in each):
        return GraphScores(tf.concat([scores.evidence for scores in each], axis=1), Space.LOGIT, p)
    return GraphScores(p, Space.PROBABILITY, p)


def _pair(scores: GraphScores) -> Tensor:
    assert scores.probabilities is not None
    return scores.probabilities


BAKED_CALIBRATORS: Mapping[str, Callable[[Any, Tensor, Form], GraphScores]] = {
    "identity": _identity,
    "temperature": _temperature,
    "temperature_mixture": _temperature_mixture,
    "vector": _vector,
    "platt": _platt,
    "beta": _beta,
    "isotonic": _steps,
    "venn_abers": _steps,
    "per_label": _per_label,
}
"""CALIBRATORS, by the name in the card."""


def corrected(by: Prior, scores: GraphScores, form: Form) -> GraphScores:
    """`heads.prior.Prior.scores`."""
    if by.source == by.target or scores.probabilities is None:
        return scores
    source, target = np.array(by.source), np.array(by.target)
    ratios = target / source
    if form is Form.BINARY:
        return _one_by_one(scores, scores.probabilities[:, :1], form, *ratios)
    if form is Form.MULTILABEL:
        return _one_by_one(scores, 1.0 - scores.probabilities, form, (1.0 - target) / (1.0 - source), ratios)
    weighted = scores.probabilities * ratios
    shares = weighted / tf.maximum(tf.reduce_sum(weighted, axis=1, keepdims=True), _TINY)
    if form is Form.MULTICLASS:
        return GraphScores(weighted, Space.PROBABILITY, shares)
    return GraphScores(tf.cumsum(shares[:, 1:], axis=1, reverse=True), Space.PROBABILITY, shares)


def _one_by_one(
    scores: GraphScores, negative: Tensor, form: Form, off: Float64 | float, on: Float64 | float
) -> GraphScores:
    if scores.space is Space.LOGIT:
        return FROM_LOGITS[form](scores.evidence + np.log(on / off))
    weights = negative * off, scores.evidence * on
    total = tf.maximum(weights[0] + weights[1], _TINY)
    p = weights[1] / total
    pair = p if form is Form.MULTILABEL else tf.concat([weights[0] / total, p], axis=1)
    return GraphScores(p, Space.PROBABILITY, pair)
