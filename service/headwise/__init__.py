"""headwise: the gateway that knows what a classifier's last layer means."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from headwise.heads import Argmax, Head, HeadCard, PerLabel, Platt, Prediction, Temperature, Threshold

__all__ = [
    "Argmax",
    "Head",
    "HeadCard",
    "PerLabel",
    "Platt",
    "Prediction",
    "Temperature",
    "Threshold",
    "__version__",
]


def __dir__() -> list[str]:
    """What completion offers."""
    return sorted(__all__)


def __getattr__(name: str) -> object:
    """Load the public names on first use (PEP 562), so that `import headwise` costs next to nothing."""
    if name in __all__:
        return getattr(importlib.import_module("headwise.heads"), name)
    raise AttributeError(f"module 'headwise' has no attribute {name!r}")
