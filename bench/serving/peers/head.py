"""The head maths that every peer does on a model's output: numpy and nothing of headwise.

It is what a careful user writes: float64, a sigmoid that does not overflow, a softmax with its largest logit taken off.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Head:
    """activation: what the graph's last layer already did, "linear", "sigmoid" or "softmax"."""

    activation: str
    labels: tuple[str, ...]

    @classmethod
    def of(cls, version: Path) -> Head:
        """The only head of a version's card."""
        card = json.loads((version / "assets.extra" / "head.json").read_text("utf-8"))
        ((said,),) = (signature["heads"].values() for signature in card["signatures"].values())
        return cls(said["activation"], tuple(said["labels"]))

    def probabilities(self, raw: Any) -> Any:
        """(rows, classes) float64 of an output (rows, units)."""
        values = np.asarray(raw, np.float64)
        if values.shape[1] == 1:
            positive = _sigmoid(values) if self.activation == "linear" else values
            return np.concatenate([1.0 - positive, positive], axis=1)
        if self.activation == "linear":
            shares = np.exp(values - values.max(axis=1, keepdims=True))
            return shares / shares.sum(axis=1, keepdims=True)
        return values

    def answer(self, raw: Any, top_k: int | None = None) -> list[dict[str, Any]]:
        """One object a row, with all probabilities, or with the most probable classes alone."""
        probabilities = self.probabilities(raw)
        rows = zip(probabilities, probabilities.argmax(axis=1).tolist(), strict=True)
        return [
            {"label": self.labels[index], "index": index, "probability": float(row[index]), **self._rest(row, top_k)}
            for row, index in rows
        ]

    def _rest(self, row: Any, top_k: int | None) -> dict[str, Any]:
        if top_k is None:
            return {"probabilities": row.tolist()}
        largest = np.argsort(row)[::-1][:top_k].tolist()
        return {"top": [{"label": self.labels[at], "probability": float(row[at])} for at in largest]}


def _sigmoid(values: Any) -> Any:
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1.0, small) / (1.0 + small)
