"""How many calls may be sent a second time."""

from __future__ import annotations

_SHARE = 0.2
_FIRST, _MOST = 10.0, 100.0


class RetryBudget:
    """A fifth of the calls, saved up to a hundred: enough for those under way when a server dies, never a storm."""

    __slots__ = ("_saved",)

    def __init__(self) -> None:
        self._saved = _FIRST

    def earn(self) -> None:
        """A call is sent for the first time."""
        self._saved = min(self._saved + _SHARE, _MOST)

    def spend(self) -> bool:
        """Whether one may be sent again."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True
