"""Rows dealt into folds, and predictions of each fold by the fit of the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.fitting.fitters import Fitter
from headwise.calibration.samples import Samples
from headwise.heads.calibrators import AnyCalibrator
from headwise.heads.links import Float64
from headwise.heads.scores import Form

Dealt = NDArray[np.int64]
"""(rows,) the number of the fold that each row is in."""


def deal(samples: Samples, folds: int, seed: int) -> Dealt:
    """Which fold each row is in: every class is dealt out evenly, and labels by how many of them are on."""
    kind = samples.targets
    if samples.form is Form.MULTILABEL:
        kind = kind.sum(axis=1)
    shuffled = np.random.default_rng(seed).permutation(len(samples))
    by_kind = shuffled[np.argsort(kind[shuffled], kind="stable")]
    dealt = np.empty(len(samples), np.int64)
    dealt[by_kind] = np.arange(len(samples)) % folds
    return dealt


def splits(dealt: Dealt) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows to fit and rows to predict, for each fold."""
    for fold in range(int(dealt.max()) + 1):
        yield np.flatnonzero(dealt != fold), np.flatnonzero(dealt == fold)


def out_of_fold(samples: Samples, fit: Fitter, dealt: Dealt) -> Float64:
    """Probabilities (rows, classes), each row predicted by the fit of the other folds.

    Raises: CalibrationError where the other folds cannot fit.
    """
    return held_out(samples, [fit(samples.take(others)) for others, _ in splits(dealt)], dealt)


def held_out(samples: Samples, fitted: Sequence[AnyCalibrator], dealt: Dealt) -> Float64:
    """Probabilities (rows, classes), each row predicted by its fold's calibrator."""
    predicted: Float64 | None = None
    for (_, fold), calibrator in zip(splits(dealt), fitted, strict=True):
        probabilities = probabilities_of(calibrator, samples.take(fold))
        predicted = np.empty((len(samples), probabilities.shape[1])) if predicted is None else predicted
        predicted[fold] = probabilities
    assert predicted is not None
    return predicted


def probabilities_of(calibrator: AnyCalibrator, samples: Samples) -> Float64:
    """Probabilities (rows, classes)."""
    probabilities = calibrator.scores(samples.logits, samples.form).probabilities
    assert probabilities is not None
    return probabilities
