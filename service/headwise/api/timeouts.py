"""How long a request may take: what it says of itself, within bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headwise.errors import InvalidRequestError

HEADER = "headwise-timeout"
"""Seconds, of HTTP; gRPC has its own."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. default: of a request that says nothing; longest: of any."""

    default: float
    longest: float

    def of(self, seconds: float | None) -> float:
        """What a request gets that wants so many; None: it says nothing."""
        return min(self.default if seconds is None else max(seconds, 0.001), self.longest)

    def of_header(self, text: str) -> float:
        """What a request gets by its header; the empty text: it has none.

        Raises: InvalidRequestError.
        """
        if not text:
            return self.of(None)
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            raise InvalidRequestError(f"header {HEADER}: {text[:40]!r} is no number of seconds above 0")
        return self.of(seconds)
