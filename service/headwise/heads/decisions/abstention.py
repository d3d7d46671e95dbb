"""When a head gives no answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from headwise.errors import InvalidCardError
from headwise.heads.parameters import number


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
        for name in ("floor", "margin", "cost"):
            if (given := getattr(self, name)) is None:
                continue
            limit = number(name, given)
            if name != "cost" and not 0 < limit <= 1:
                raise InvalidCardError(f"{name} is {limit}: it must lie above 0, and be 1 or less")
            if name == "cost" and not 0 <= limit < math.inf:
                raise InvalidCardError(f"cost is {limit}: it must be finite and not below 0")
            object.__setattr__(self, name, limit)
        if not isinstance(self.set, bool):
            raise InvalidCardError(f"set is {self.set!r}: it must be true or false")


NEVER = Abstain()
"""Every row is answered."""
