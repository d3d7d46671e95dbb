"""The predictions of real networks in tests/data/predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parents[1] / "data" / "predictions"
MULTICLASS = ("cleanlab_20news", "netcal_wideresnet_16_4_cifar_10", "netcal_densenet_bc_100_cifar_100")


def multiclass(name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities (rows, classes) that sum to 1, and targets (rows,)."""
    stored: Any = np.load(FOLDER / f"{name}.npz")
    probabilities = stored["p"].astype(np.float64)
    return probabilities / probabilities.sum(axis=1, keepdims=True), stored["y"].astype(np.int64)
