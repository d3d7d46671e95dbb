"""Links and inverse links in stable float64. Convention: a link takes probabilities to logits.

All functions work along the last axis or element by element, so a row's result never depends on its batch.
Inputs are made contiguous first: numpy's vectorised and strided kernels may differ in the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
FloatDtype = np.dtype[np.floating[Any]]

LOG_FLOOR = -60.0
"""Smallest log-probability that calibration sees; centring would let exact zeros drag the other classes."""


def sigmoid(logits: Float64) -> Float64:
    """Inverse logit 1 / (1 + exp(-z)), without overflow on either side."""
    logits = np.ascontiguousarray(logits)
    tail = np.exp(-np.abs(logits))
    result: Float64 = np.where(logits >= 0, 1.0, tail) / (1.0 + tail)
    return result


def logit(probabilities: Float64) -> Float64:
    """Link log(p / (1 - p)) for p strictly between 0 and 1; exactly 0 at one half on every processor."""
    probabilities = np.ascontiguousarray(probabilities)
    return np.log(probabilities / (1.0 - probabilities))


def log_softmax(logits: Float64) -> Float64:
    """z - log(sum(exp(z))) along the last axis; -inf is allowed where another class is finite."""
    logits = np.ascontiguousarray(logits)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: Float64 = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def softmax(logits: Float64) -> Float64:
    """exp(z) / sum(exp(z)) along the last axis; -inf is allowed where another class is finite."""
    logits = np.ascontiguousarray(logits)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Float64 = weights / weights.sum(axis=-1, keepdims=True)
    return result


def floored_log(probabilities: Float64) -> Float64:
    """log(p), not below LOG_FLOOR; p = 0 is the floor."""
    return np.log(np.maximum(np.ascontiguousarray(probabilities), np.exp(LOG_FLOOR)))


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
