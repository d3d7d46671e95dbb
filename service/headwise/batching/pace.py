"""How fast the backend works off requests of a kind."""

from __future__ import annotations

import math

_MEMORY = 8
"""Over how many calls figures are averaged."""


class Pace:
    """took: seconds that calls take, infinite before the first. a_row: seconds that each row ahead of a request adds.

    A call that set out with nothing beside or before it shows what the backend needs in any case; what calls under load
    take longer is the work of their rows. The two are kept apart, so that a lasting load does not become the measure.
    """

    __slots__ = ("_beside", "_extra", "_quiet", "_rows", "a_row", "took")

    def __init__(self) -> None:
        self.took = self._quiet = math.inf
        self._extra = self._rows = self._beside = 0.0
        self.a_row = 0.0

    def learn(self, rows: int, took: float, *, beside: int, quiet: bool) -> None:
        """A call of so many rows took so many seconds. beside: calls under way with it, itself included.

        quiet: it set out alone, and none of its requests had waited.
        """
        self.took = _averaged(self.took, took)
        if quiet:
            self._quiet = _averaged(self._quiet, took)
            return
        self._extra += (max(took - min(self._quiet, took), 0.0) - self._extra) / _MEMORY
        self._rows += (rows - self._rows) / _MEMORY
        self._beside += (beside - self._beside) / _MEMORY
        self.a_row = self._extra / (self._rows * max(self._beside, 1.0))


def _averaged(known: float, new: float) -> float:
    return new if known == math.inf else known + (new - known) / _MEMORY
