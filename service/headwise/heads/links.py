"""Links and inverse links in stable float64. Convention: a link takes probabilities to logits.

All functions work along the last axis or element by element, so a row's result never depends on its batch.
Inputs are made contiguous first: numpy's vectorised and strided kernels may differ in the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
FloatDtype = np.dtype[np.floating[Any]]

LOG_FLOOR = -60.0
"""Smallest log-probability that calibration sees; centring would let exact zeros drag the other classes."""

_BLOCK = 2**14
"""How many numbers are worked on at once: their 128 KB stay in the processor's cache from step to step."""

_MANY = 32
"""From how many rows it pays to look for the places of their maxima instead of the maxima."""


def sigmoid(logits: Float64) -> Float64:
    """Inverse logit 1 / (1 + exp(-z)), without overflow on either side."""
    logits = np.ascontiguousarray(logits)
    result = np.empty_like(logits)
    for z, p in _blocks(logits, result, width=1):
        tail = np.abs(z)
        np.exp(np.negative(tail, out=tail), out=tail)
        whole = 1.0 + tail
        # Where z >= 0 the tail counts 1; it is never more, and choosing by a mask stumbles over every change of sign.
        np.maximum(tail, z >= 0, out=tail)
        np.divide(tail, whole, out=p)
    return result


def logit(probabilities: Float64) -> Float64:
    """Link log(p / (1 - p)) for p strictly between 0 and 1; exactly 0 at one half on every processor."""
    probabilities = np.ascontiguousarray(probabilities)
    return np.log(probabilities / (1.0 - probabilities))


def log_softmax(logits: Float64) -> Float64:
    """z - log(sum(exp(z))) along the last axis; -inf is allowed where another class is finite."""
    logits = np.ascontiguousarray(logits)
    result = np.empty_like(logits)
    for z, shifted in _blocks(logits, result, width=logits.shape[-1]):
        np.subtract(z, _largest(z), out=shifted)
        np.subtract(shifted, np.log(np.add.reduce(np.exp(shifted), -1, keepdims=True)), out=shifted)
    return result


def softmax(logits: Float64, out: Float64 | None = None) -> Float64:
    """exp(z) / sum(exp(z)) along the last axis; -inf is allowed where another class is finite.

    out: where to write it, if it is contiguous; it may be the logits themselves.
    """
    logits = np.ascontiguousarray(logits)
    result = np.empty_like(logits) if out is None else out
    for z, weights in _blocks(logits, result, width=logits.shape[-1]):
        np.subtract(z, _largest(z), out=weights)
        np.exp(weights, out=weights)
        np.divide(weights, np.add.reduce(weights, -1, keepdims=True), out=weights)
    return result


def floored_log(probabilities: Float64) -> Float64:
    """log(p), not below LOG_FLOOR; p = 0 is the floor."""
    logs: Float64 = np.maximum(np.ascontiguousarray(probabilities), np.exp(LOG_FLOOR))
    return np.log(logs, out=logs)


def saturation_gap(source: FloatDtype) -> float:
    """How far below 1 a saturated p = 1 counts: half of the last step before 1 in the dtype it came in.

    In float32 that is 2**-25 (a logit of 17.33), in float16 2**-12 (8.32).
    """
    return float(np.finfo(source).epsneg) / 2.0


def logit_of_probability(probabilities: Float64, source: FloatDtype) -> Float64:
    """Logit of probabilities that may be saturated: p = 0 counts as LOG_FLOOR, p = 1 by `saturation_gap`."""
    probabilities = np.ascontiguousarray(probabilities)
    complement = np.maximum(1.0 - probabilities, saturation_gap(source))
    return floored_log(probabilities) - np.log(complement)


def logit_of_tanh(margins: Float64, source: FloatDtype) -> Float64:
    """2 artanh(m), the logit of (1 + m) / 2, since tanh(z / 2) = 2 sigmoid(z) - 1; saturated as p = 1 is."""
    margins = np.ascontiguousarray(margins)
    gap = saturation_gap(source)
    return np.log(np.maximum(1.0 + margins, gap)) - np.log(np.maximum(1.0 - margins, gap))


def _blocks(source: Float64, target: Float64, width: int) -> Iterable[tuple[Float64, Float64]]:
    """Both in step, about _BLOCK numbers at a time; `width` numbers stay together, however many they are."""
    if source.size <= _BLOCK:
        return ((source, target),)
    step, one, other = max(1, _BLOCK // width), source.reshape(-1, width), target.reshape(-1, width)
    return ((one[start : start + step], other[start : start + step]) for start in range(0, len(one), step))


def _largest(rows: Float64) -> Float64:
    """The largest of each row, kept as a column; of many rows `max` would take up to five times as long."""
    largest: Float64
    if rows.ndim != 2 or len(rows) < _MANY:
        largest = np.maximum.reduce(rows, -1, keepdims=True)
    else:
        largest = rows.take(rows.argmax(axis=1) + np.arange(0, rows.size, rows.shape[1]))[:, np.newaxis]
    return largest
