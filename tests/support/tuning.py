"""Rows whose truth is known, to hold tuned decisions against."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[Any]


def two_columns(positive: Array) -> Array:
    """P(positive) (rows,) as the probabilities (rows, 2) of a binary head."""
    return np.stack([1.0 - positive, positive], axis=1)


def calibrated(rng: np.random.Generator, rows: int, share: float = 0.3) -> tuple[Array, Array]:
    """Calibrated P(positive) (rows,) of a good classifier, and what was true (rows,) bool, drawn from it."""
    logits = np.where(rng.random(rows) < share, rng.normal(2.5, 1.5, rows), rng.normal(-2.5, 1.5, rows))
    scores = special.expit(logits)
    return scores, rng.random(rows) < scores


def shifted_classes(rng: np.random.Generator, priors: Array, rows: int, apart: float = 2.0) -> tuple[Array, Array]:
    """Gaussian classes at the corners of a simplex: their densities (rows, classes), and the true class (rows,).

    density * prior, made to sum to 1, is the calibrated probability under that prior.
    """
    targets = rng.choice(len(priors), rows, p=priors)
    points = rng.normal(size=(rows, len(priors))) + apart * np.eye(len(priors))[targets]
    logs = apart * points
    return np.exp(logs - logs.max(axis=1, keepdims=True)), targets


def posterior(densities: Array, priors: Array) -> Array:
    """Calibrated probabilities (rows, classes)."""
    joint = densities * priors
    return np.asarray(joint / joint.sum(axis=1, keepdims=True))
