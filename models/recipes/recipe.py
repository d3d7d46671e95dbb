"""What every recipe gives back, and how its figure is measured on the rows it never saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from headwise.heads import Head, Prediction, Task

SEED = 0
HELD_OUT = 0.3

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Expected:
    """The least held-out figure that the recipe must reach, and why that much can be expected."""

    least: float
    why: str


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model, what its last layer means, and the rows that it never saw.

    rows: what the model takes, (rows, ...) float32. targets: class indices (rows,), a 0/1 matrix
    (rows, labels), or values (rows,).
    """

    model: keras.Model
    head: Head
    rows: Array
    targets: Array

    @property
    def input_name(self) -> str:
        """The name of the model's one input, which its signature keeps."""
        return str(self.model.inputs[0].name)


class Recipe(Protocol):
    """What train.py needs of a recipe's module."""

    EXPECTED: Expected

    def train(self) -> Trained:
        """Load the data, train the network, keep the held-out rows."""


def split(rows: Array, targets: Array, *, stratify: bool = True) -> tuple[Array, Array, Array, Array]:
    """Training rows, held-out rows, training targets, held-out targets; the same on every run."""
    kept, held_out, kept_targets, held_out_targets = train_test_split(
        rows.astype(np.float32),
        targets,
        test_size=HELD_OUT,
        random_state=SEED,
        stratify=targets if stratify else None,
    )
    return kept, held_out, kept_targets, held_out_targets


def measure(trained: Trained) -> tuple[str, float]:
    """The figure's name and its value on the held-out rows, read through the head as a served answer is."""
    raw = np.asarray(trained.model(trained.rows))
    name, figure = _FIGURES[trained.head.task]
    return name, figure(trained.head.predict(raw), trained.targets)


def _accuracy(prediction: Prediction, targets: Array) -> float:
    assert prediction.indices is not None
    return float(np.mean(prediction.indices == targets))


def _rows_with_all_labels_right(prediction: Prediction, targets: Array) -> float:
    assert prediction.decisions is not None
    return float(np.mean((prediction.decisions == targets.astype(bool)).all(axis=1)))


def _explained_variance(prediction: Prediction, targets: Array) -> float:
    """The coefficient of determination, R2."""
    assert prediction.values is not None
    residual = targets - prediction.values[:, 0]
    return 1.0 - float(np.sum(residual**2) / np.sum((targets - targets.mean()) ** 2))


_FIGURES: Mapping[Task, tuple[str, Callable[[Prediction, Array], float]]] = {
    "binary": ("accuracy", _accuracy),
    "multiclass": ("accuracy", _accuracy),
    "multilabel": ("exact-match accuracy", _rows_with_all_labels_right),
    "ordinal": ("accuracy", _accuracy),
    "regression": ("R2", _explained_variance),
}
