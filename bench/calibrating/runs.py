"""The runs of the calibration benchmark: which rows calibrate, which are tested, and what an answer is worth.

Pure numpy: the peers' environment imports it as well, so that every side is scored by the same lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
LEAST_PROBABILITY = float(np.finfo(np.float64).eps)
"""What a true class counts as at least, as in scikit-learn's log_loss: an impossible row costs 36, not infinity."""
FEWEST_TEST_ROWS = 80
BINS = 15


@dataclass(frozen=True)
class Run:
    """Calibrate on `fit`, test on `test`: row numbers, drawn at random. member: which network's outputs."""

    size: int
    seed: int
    member: int
    fit: Array
    test: Array


@dataclass(frozen=True)
class Runs:
    """One file or model.

    kind: "classes" where a row has one of k classes, "labels" where it has any of k labels.
    probabilities: (members, rows, k) float64, uncalibrated; rows of classes sum to 1. logits: the same as canonical
    logits (members, rows, k) float64; one column where there are two classes. targets: (rows,) or (rows, k).
    order: (seeds, rows), a permutation of the rows for each seed. sizes: numbers of calibration rows.
    """

    name: str
    kind: str
    probabilities: Array
    logits: Array
    targets: Array
    order: Array
    sizes: tuple[int, ...]

    def __iter__(self) -> Iterator[Run]:
        for size in self.sizes:
            for seed, order in enumerate(self.order):
                yield Run(size, seed, seed % len(self.probabilities), order[:size], order[size:])

    def save(self, file: Path) -> None:
        arrays: dict[str, Any] = {name: np.asarray(value) for name, value in vars(self).items()}
        np.savez(file, **arrays)

    @classmethod
    def load(cls, file: Path) -> Runs:
        with np.load(file, allow_pickle=False) as saved:
            arrays = dict(saved)
        name, kind, sizes = str(arrays.pop("name")), str(arrays.pop("kind")), arrays.pop("sizes")
        return cls(name, kind, **arrays, sizes=tuple(int(size) for size in sizes))


def orders(rows: int, seeds: int) -> Array:
    """(seeds, rows): the permutations that deal the rows out; not stratified, as held-out data are not."""
    return np.stack([np.random.default_rng(seed).permutation(rows) for seed in range(seeds)])


def fitting_sizes(rows: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes that leave enough rows to test on."""
    return tuple(size for size in sizes if rows - size >= FEWEST_TEST_ROWS)


def log_loss(probabilities: Array, targets: Array, kind: str) -> float:
    """The mean of -log(p of what was true); over rows and labels for labels."""
    if kind == "labels":
        of_target = np.where(targets.astype(bool), probabilities, 1.0 - probabilities)
    else:
        of_target = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(of_target, LEAST_PROBABILITY)).mean())


def calibration_error(probabilities: Array, targets: Array, kind: str) -> float:
    """ECE in BINS bins of equal width: of the positive class, of the answered class, or of all labels pooled."""
    if kind == "labels":
        confidences, right = probabilities.reshape(-1), targets.reshape(-1).astype(bool)
    elif probabilities.shape[1] == 2:
        confidences, right = probabilities[:, 1], targets == 1
    else:
        confidences, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    bins = np.minimum((confidences * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, right, BINS) - np.bincount(bins, confidences, BINS)
    return float(np.abs(gaps).sum() / len(right))


def scored(probabilities: Array, targets: Array, kind: str) -> dict[str, float]:
    """What an answer (rows, k) is worth."""
    return {
        "log_loss": log_loss(probabilities, targets, kind),
        "ece": calibration_error(probabilities, targets, kind),
    }
