"""How often: a rate such as 100/second, and who counts against it.

A request takes its share of the period, and the whole period may be taken in one go (the generic cell rate algorithm):
one number a name, by a clock that nobody sets.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

_PERIODS: Mapping[str, float] = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_RATE = re.compile(rf"(?P<count>[1-9][0-9]{{0,8}})/(?P<period>{'|'.join(_PERIODS)})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in a period, a key of _PERIODS."""

    count: int
    period: str

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Raises: ValueError that says what is expected."""
        found = _RATE.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no rate: NUMBER/PERIOD is expected, PERIOD one of {', '.join(_PERIODS)}")
        return cls(int(found["count"]), found["period"])

    def __str__(self) -> str:
        return f"{self.count}/{self.period}"

    @property
    def seconds(self) -> float:
        """The length of the period."""
        return _PERIODS[self.period]


class Limiter(Protocol):
    """Counts requests: in this process, or for several in a store that they share."""

    def wait(self, name: str, rate: Rate) -> float:
        """Take one request of a name; 0, or the seconds until there is one to take."""


class LocalLimiter:
    """Counts the requests of this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._taken: dict[str, float] = {}

    def wait(self, name: str, rate: Rate) -> float:
        """As `Limiter` has it."""
        now = self._clock()
        until = max(self._taken.get(name, now), now) + rate.seconds / rate.count
        missing = until - now - rate.seconds
        if missing > 1e-9:  # what rounding makes of a request that fits to the last
            return missing
        self._taken[name] = until
        return 0.0
