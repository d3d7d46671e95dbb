"""headwise: the gateway that knows what a classifier's last layer means."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from headwise.heads import Head, HeadCard, Prediction

__all__ = ["Head", "HeadCard", "Prediction", "__version__"]


def __getattr__(name: str) -> object:
    """Load the public names on first use (PEP 562), so that `import headwise` costs next to nothing."""
    if name in __all__:
        return getattr(importlib.import_module("headwise.heads"), name)
    raise AttributeError(f"module 'headwise' has no attribute {name!r}")
