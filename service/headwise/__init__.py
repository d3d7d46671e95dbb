"""headwise: the gateway that knows what a classifier's last layer means."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from headwise.heads import Argmax, Head, HeadCard, PerLabel, Platt, Prediction, Temperature, Threshold
    from headwise.training.checking.callback import HeadCheck
    from headwise.training.checking.check import HeadwiseWarning, check
    from headwise.training.exporting.export import export

__all__ = [
    "Argmax",
    "Head",
    "HeadCard",
    "HeadCheck",
    "HeadwiseWarning",
    "PerLabel",
    "Platt",
    "Prediction",
    "Temperature",
    "Threshold",
    "__version__",
    "check",
    "export",
]

_HOMES = {
    "HeadCheck": "headwise.training.checking.callback",
    "HeadwiseWarning": "headwise.training.checking.check",
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
