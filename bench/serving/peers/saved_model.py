"""A SavedModel and its head in the peer's own process, as the peers that need no model server have it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from serving.peers.head import Head


class SavedModel:
    """Loads the model of BENCH_VERSION; its only input and output are BENCH_INPUT and BENCH_OUTPUT."""

    def __init__(self) -> None:
        version = Path(os.environ["BENCH_VERSION"])
        self.head = Head.of(version)
        self._input, self._output = os.environ["BENCH_INPUT"], os.environ["BENCH_OUTPUT"]
        self._loaded = tf.saved_model.load(str(version))  # holds the variables that the signature uses
        self._signature = self._loaded.signatures["serving_default"]

    def run(self, batch: Any) -> Any:
        """(rows, ...) to the model's raw output (rows, units)."""
        tensor = tf.constant(np.asarray(batch, np.float32))
        return self._signature(**{self._input: tensor})[self._output].numpy()

    def classify(self, batch: Any) -> list[dict[str, Any]]:
        """One answer a row."""
        return self.head.answer(self.run(batch))
