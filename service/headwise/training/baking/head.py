"""A head as TensorFlow ops: contract, scores, calibration and decision, as `heads.head` puts them together.

Import it after `require_tensorflow`, as formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from headwise.errors import UnsupportedError
from headwise.heads import HEAD_TABLE, Abstain, Activation, Applied, Head, Layout, Legal, Options, links
from headwise.heads.contract import CONTRADICTION, EXCLUSIVE, RANGES, SHARES, room
from headwise.heads.links import FloatDtype
from headwise.heads.scores import Space
from headwise.training.baking.calibrators import BAKED_CALIBRATORS, corrected
from headwise.training.baking.formulas import BAKED_TABLE, BakedCell, GraphScores, Tensor

_NO_OPTIONS = Options()


def _cut(scores: GraphScores, applied: Applied) -> Tensor:
    """Whether each column of the evidence reaches its cut."""
    cuts = np.asarray(applied.cuts, np.float64)
    return scores.evidence >= (links.logit(cuts) if scores.space is Space.LOGIT else cuts)


def _largest(scores: GraphScores, _: Applied) -> Tensor:
    """The lowest index of the largest column."""
    return _first(scores.evidence >= tf.reduce_max(scores.evidence, axis=1, keepdims=True))


def _cheapest(scores: GraphScores, applied: Applied) -> Tensor:
    """The lowest index of the least expected cost; a binary head is cut where the costs say."""
    if applied.cuts is not None:
        return _cut(scores, applied)
    expected = _expected_costs(scores, applied)
    return _first(expected <= tf.reduce_min(expected, axis=1, keepdims=True))


def _first(among: Tensor) -> Tensor:
    """The lowest index (rows,) that is true: tf.argmax promises nothing of ties."""
    places = tf.range(tf.shape(among, tf.int64)[1], dtype=tf.int64)
    return tf.reduce_min(tf.where(among, places, tf.int64.max), axis=1)


def _expected_costs(scores: GraphScores, applied: Applied) -> Tensor:
    assert applied.cost is not None
    assert scores.probabilities is not None
    return tf.reduce_sum(scores.probabilities[:, :, tf.newaxis] * applied.cost.matrix, axis=1)


BAKED_RULES: Mapping[str, Callable[[GraphScores, Applied], Tensor]] = {
    "argmax": _largest,
    "cost": _cheapest,
    "per_label": _cut,
    "threshold": _cut,
}
"""The rules of a card's decision."""


def answer(head: Head, output: Tensor, units: int) -> dict[str, Tensor]:
    """What `head.answer` says of an output (batch, *positions, units), or (batch,) for one unit, by name.

    probabilities: float64 (batch, *positions, classes). indices: int64, labels: string (batch, *positions), -1 and
    empty where the head abstains. Multilabel: decisions bool and labels, empty where off (batch, *positions, labels).
    A margin: margin (batch, *positions). Regression: value (batch, *positions, units). Numbers that contradict the
    head fail the call.

    Raises: UnsupportedError for a calibrator, a rule or an abstention that has no formula here.
    """
    layout = head.layout(units)
    cell, applied = BAKED_TABLE[layout][head.activation], head.resolve(_NO_OPTIONS)
    if output.shape.rank == 1:
        output = output[:, tf.newaxis]
    source = np.dtype(np.float32) if output.dtype == tf.bfloat16 else np.dtype(output.dtype.as_numpy_dtype)
    raw = _admitted(tf.reshape(tf.cast(output, tf.float64), [-1, units]), layout, head.activation, source)
    scores = _calibrated(head, cell, raw, layout, source)
    found = _decided(head, scores, applied)
    return {name: _unflattened(rows, output) for name, rows in found.items()}


def _admitted(raw: Tensor, layout: Layout, activation: Activation, source: FloatDtype) -> Tensor:
    """`heads.contract.admit`: fails the call for what contradicts the head, and brings the rest into its range."""
    finite = tf.math.is_finite(raw)
    good = tf.reduce_all(finite, axis=-1)
    if layout in EXCLUSIVE and activation in ("linear", "log_softmax"):
        impossible = tf.equal(raw, -np.inf)
        good |= tf.reduce_all(finite | impossible, axis=-1) & tf.reduce_any(finite, axis=-1)
    _require(good, "the output is not finite")
    if activation not in RANGES:
        return raw
    low, high = RANGES[activation]
    within = (raw >= low - room(source)) & (raw <= high + room(source))
    _require(within, f"{activation} promises values in [{low:g}, {high:g}]")
    raw = tf.clip_by_value(raw, np.float64(low), np.float64(high))
    if activation in SHARES:
        shares = BAKED_TABLE[layout][activation].scores(raw).probabilities
        _require(tf.abs(tf.reduce_sum(shares, axis=-1) - 1.0) <= CONTRADICTION, f"{activation} promises rows of sum 1")
    return raw


def _require(good: Tensor, what: str) -> None:
    tf.debugging.Assert(tf.reduce_all(good), [f"the output contradicts its head card: {what}"])


def _calibrated(head: Head, cell: BakedCell, raw: Tensor, layout: Layout, source: FloatDtype) -> GraphScores:
    """Scores, after the head's calibrator and its prior correction."""
    legal, by = HEAD_TABLE[layout][head.activation], head.calibrator
    assert isinstance(legal, Legal)
    if by is None or cell.canonical is None or legal.form is None:
        scores = cell.scores(raw)
    elif by.method in BAKED_CALIBRATORS:
        scores = BAKED_CALIBRATORS[by.method](by, cell.canonical(raw, source), legal.form)
    else:
        raise UnsupportedError(f"calibration {by.method!r} has no formula in TensorFlow's ops: it cannot be baked")
    return scores if head.prior is None or legal.form is None else corrected(head.prior, scores, legal.form)


def _decided(head: Head, scores: GraphScores, applied: Applied) -> dict[str, Tensor]:
    if head.task == "regression":
        return {"value": scores.evidence}
    if applied.rule is None or applied.rule not in BAKED_RULES:
        raise UnsupportedError(f"decision rule {applied.rule!r} has no formula in TensorFlow's ops: it cannot be baked")
    found = {} if scores.probabilities is None else {"probabilities": scores.probabilities}
    if scores.space is Space.MARGIN:
        found["margin"] = scores.evidence[:, 0]
    chosen, labels = BAKED_RULES[applied.rule](scores, applied), tf.constant(head.labels)
    if head.task == "multilabel":
        return {**found, "decisions": chosen, "labels": tf.where(chosen, labels, "")}
    indices = chosen if applied.cuts is None else tf.reduce_sum(tf.cast(chosen, tf.int64), axis=1)
    names = tf.gather(labels, indices)
    if applied.abstain is None:
        return {**found, "indices": indices, "labels": names}
    away = _unanswered(applied.abstain, applied, scores)
    return {**found, "indices": tf.where(away, np.int64(-1), indices), "labels": tf.where(away, "", names)}


def _unanswered(abstain: Abstain, applied: Applied, scores: GraphScores) -> Tensor:
    """Which rows (rows,) are not answered."""
    if abstain.set:
        raise UnsupportedError(
            "the card abstains by prediction sets, which have no formula in TensorFlow's ops: it cannot be baked; "
            "abstain by a floor, a margin or an expected cost"
        )
    second, largest = (tf.math.top_k(scores.probabilities, 2).values[:, place] for place in (1, 0))
    away = tf.zeros_like(largest, tf.bool)
    if abstain.floor is not None:
        away |= largest < abstain.floor
    if abstain.margin is not None:
        away |= largest - second < abstain.margin
    if abstain.cost is not None:
        away |= tf.reduce_min(_expected_costs(scores, applied), axis=1) > abstain.cost
    return away


def _unflattened(rows: Tensor, output: Tensor) -> Tensor:
    """Rows (batch * positions, ...) in the output's own axes."""
    shaped = tf.reshape(rows, tf.concat([tf.shape(output)[:-1], tf.shape(rows)[1:]], axis=0))
    shaped.set_shape(output.shape[:-1].concatenate(rows.shape[1:]))
    return shaped
