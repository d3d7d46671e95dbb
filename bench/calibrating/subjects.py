"""What the calibration benchmark runs on: files of predictions, and the example models on their held-out rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from calibrating.runs import Array, Runs, fitting_sizes, orders

from headwise.heads import Activation, Head, Task
from headwise.heads.scores import Form
from headwise.repository.cards import read_card
from headwise.savedmodel.signature import DEFAULT_SIGNATURE

ROOT = Path(__file__).parents[2]
PREDICTIONS = ROOT / "tests" / "data" / "predictions"
MODELS = ROOT / "models"


@dataclass(frozen=True)
class Subject:
    """raw: (members, rows, units), the outputs of one network or of several; targets as `calibrate` takes them."""

    name: str
    head: Head
    raw: Array
    targets: Array

    def runs(self, seeds: int, sizes: tuple[int, ...]) -> Runs:
        """What the peers get."""
        answers = [self.head.predict(member).probabilities for member in self.raw]
        probabilities = np.stack([answer for answer in answers if answer is not None])
        kind = "labels" if self.head.task == "multilabel" else "classes"
        if kind == "classes":
            probabilities /= probabilities.sum(axis=-1, keepdims=True)
        rows = len(self.targets)
        targets = self.targets.astype(np.int64)
        order = orders(rows, seeds)
        return Runs(self.name, kind, probabilities, self._logits(), targets, order, fitting_sizes(rows, sizes))

    def _logits(self) -> Array:
        members = []
        for member in self.raw:
            logits, form = self.head.canonical(member)
            if form in {Form.CUMULATIVE, Form.CONDITIONAL}:
                probabilities = self.head.predict(member).probabilities
                assert probabilities is not None
                logits = np.log(np.maximum(probabilities, np.exp(-60.0)))
            members.append(logits)
        return np.stack(members)


def of_file(file: Path) -> Subject:
    """An .npz of predictions: `p` or `logits`, (rows, k) or (members, rows, k), and `y`.

    `y` (rows, k) of 0 and 1 makes labels; `p_seeds`, where there is one, holds the members. Rows of a softmax are
    divided by their sums for everyone: some files' miss 1 by more than their dtype explains.
    """
    with np.load(file, allow_pickle=False) as saved:
        targets = saved["y"]
        key = next(key for key in ("p_seeds", "logits", "p") if key in saved)
        raw = saved[key]
    raw = raw if raw.ndim == 3 else raw.reshape(1, len(targets), -1)
    units = raw.shape[2]
    if targets.ndim == 2 and targets.shape[1] > 1:
        task: Task = "multilabel"
    else:
        task, targets = ("binary" if units <= 2 else "multiclass"), targets.reshape(-1)
    linear = key == "logits"
    activation: Activation = "linear" if linear else "sigmoid" if task == "multilabel" or units == 1 else "softmax"
    if activation == "softmax":
        raw = raw / raw.sum(axis=-1, keepdims=True)
    labels = tuple(str(at) for at in range(max(units, 2) if task != "multilabel" else units))
    return Subject(file.stem, Head(task, activation, labels), raw, targets)


def of_model(folder: Path, cache: Path) -> Subject | None:
    """An example model on its holdout.npz; None for a regression."""
    version = folder / "1"
    found = read_card(version)
    assert found is not None
    ((output, head),) = found.card.signatures[DEFAULT_SIGNATURE].heads.items()
    if head.task == "regression":
        return None
    with np.load(folder / "holdout.npz", allow_pickle=False) as saved:
        inputs = dict(saved)
    targets = inputs.pop("targets")
    if not cache.exists():
        from headwise.training.run import raw_outputs  # noqa: PLC0415 - TensorFlow takes seconds

        np.savez(cache, raw=raw_outputs(version, inputs, outputs=[output])[output])
    with np.load(cache) as saved:
        raw = saved["raw"]
    return Subject(folder.name, head, raw[None], targets)


def examples(cache: Path) -> Iterator[Subject]:
    """The example models that are trained and have a head to calibrate."""
    for holdout in sorted(MODELS.glob("*/holdout.npz")):
        subject = of_model(holdout.parent, cache / f"{holdout.parent.name}.npz")
        if subject is not None:
            yield subject
