"""headwise: the gateway that knows what a classifier's last layer means."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from headwise.calibration.calibrate import Calibrated, calibrate
    from headwise.client import AsyncHeadwiseClient, HeadwiseClient, Predictions
    from headwise.heads import (
        Abstain,
        Argmax,
        Beta,
        Cost,
        EachLabel,
        Head,
        HeadCard,
        Identity,
        Isotonic,
        Options,
        PerLabel,
        Platt,
        Prediction,
        PredictionSet,
        Prior,
        Temperature,
        TemperatureMixture,
        Threshold,
        Vector,
        VennAbers,
    )
    from headwise.training.checking.callback import HeadCheck
    from headwise.training.checking.check import HeadwiseWarning, check
    from headwise.training.exporting.export import export

__all__ = [
    "Abstain",
    "Argmax",
    "AsyncHeadwiseClient",
    "Beta",
    "Calibrated",
    "Cost",
    "EachLabel",
    "Head",
    "HeadCard",
    "HeadCheck",
    "HeadwiseClient",
    "HeadwiseWarning",
    "Identity",
    "Isotonic",
    "Options",
    "PerLabel",
    "Platt",
    "Prediction",
    "PredictionSet",
    "Predictions",
    "Prior",
    "Temperature",
    "TemperatureMixture",
    "Threshold",
    "Vector",
    "VennAbers",
    "__version__",
    "calibrate",
    "check",
    "export",
]

_HOMES = {
    "AsyncHeadwiseClient": "headwise.client",
    "Calibrated": "headwise.calibration.calibrate",
    "HeadCheck": "headwise.training.checking.callback",
    "HeadwiseClient": "headwise.client",
    "HeadwiseWarning": "headwise.training.checking.check",
    "Predictions": "headwise.client",
    "calibrate": "headwise.calibration.calibrate",
    "check": "headwise.training.checking.check",
    "export": "headwise.training.exporting.export",
}
"""Where a public name lives, if not in headwise.heads."""


def __dir__() -> list[str]:
    """What completion offers."""
    return sorted(__all__)


def __getattr__(name: str) -> object:
    """Load the public names on first use (PEP 562), so that `import headwise` costs next to nothing."""
    if name in __all__:
        return getattr(importlib.import_module(_HOMES.get(name, "headwise.heads")), name)
    raise AttributeError(f"module 'headwise' has no attribute {name!r}")
