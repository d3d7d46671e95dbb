"""What data says of a head: its targets, and the raw output that the model gives for it."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class DataFacts:
    """Filled by `observe`; None where it was not given."""


def observe(raw: ArrayLike | None = None, targets: ArrayLike | None = None) -> DataFacts:
    """raw: (batch, units) or (batch,); targets: class indices, a 0/1 matrix, or values."""
    raise NotImplementedError
