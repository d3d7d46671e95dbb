"""How fast the backend works off requests of a kind."""

from __future__ import annotations

import math

_MEMORY = 8
"""Over how many calls figures are averaged."""


class Pace:
    """took: seconds that calls take, infinite before the first. a_row: seconds that each row ahead of a request adds.

    A call that set out with nothing beside or before it shows what the backend needs in any case; what calls under load
    take longer is the work of their rows. The two are kept apart, so that a lasting load does not become the measure.
    Before a quiet call was seen all of a call counts as the work of its rows.
    """

    __slots__ = ("_beside", "_extra", "_quiet", "_rows", "a_row", "took")

    def __init__(self) -> None:
        self.took = math.inf
        self._quiet = 0.0
        self._extra = self._rows = self._beside = 0.0
        self.a_row = 0.0

    def learn(self, rows: int, took: float, *, beside: int, quiet: bool) -> None:
        """A call of so many rows took so many seconds, and was answered. beside: calls under way, itself included.

        quiet: it set out alone, and none of its requests had waited.
        """
        first = self.took == math.inf
        self.took = took if first else self.took + (took - self.took) / _MEMORY
        if quiet:
            self._quiet = took if self._quiet == 0 else self._quiet + (took - self._quiet) / _MEMORY
        else:
            self._quiet = min(self._quiet, took)  # what is faster under load shows that quiet ones were slow by chance
        extra = 0.0 if quiet else max(took - self._quiet, 0.0)
        self._extra += (extra - self._extra) / _MEMORY
        self._rows += (rows - self._rows) / _MEMORY
        self._beside += (beside - self._beside) / _MEMORY
        self.a_row = self._extra / (self._rows * max(self._beside, 1.0))
