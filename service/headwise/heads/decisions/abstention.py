"""When a head gives no answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from headwise.errors import InvalidCardError


@dataclass(frozen=True, slots=True)
class Abstain:
    """A row is not answered where any of these holds (Chow 1970); an empty one never abstains.

    floor: the largest probability is below it. margin: the largest minus the second is below it. cost: the least
    expected cost is above it (rule cost only). set: the prediction set has not exactly one class.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}

    floor: float | None = None
    margin: float | None = None
    cost: float | None = None
    set: bool = False

    def __post_init__(self) -> None:
        for name, share in (("floor", self.floor), ("margin", self.margin)):
            if share is not None and not 0 < share <= 1:
                raise InvalidCardError(f"{name} is {share}: it must lie above 0, and be 1 or less")
        if self.cost is not None and not (math.isfinite(self.cost) and self.cost >= 0):
            raise InvalidCardError(f"cost is {self.cost}: it must be finite and not below 0")


NEVER = Abstain()
"""Every row is answered."""
