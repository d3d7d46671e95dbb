"""Whether a model server is in rotation, by what its checks came to. Times are of a monotonic clock."""

from __future__ import annotations

_SILENT = 2
"""Checks in a row that it let pass, after which it is ejected; one may be lost to a busy moment."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_STABLE = 30.0
"""Seconds in rotation after which the next ejection is a first one again."""


class Circuit:
    """Closed: in rotation. Open: ejected, until it answers after a pause, which grows while it comes and goes.

    Calls that fail eject nobody: a server says UNAVAILABLE when one model's queue is full, one reset fails all calls of
    its connection, and a deadline is the caller's. They make the check come, which tells.
    """

    __slots__ = ("_closed", "_opened", "_pause", "_silent", "reason")

    def __init__(self) -> None:
        self._silent = 0
        self._closed: float | None = None
        self._opened: float | None = None
        self._pause = _FIRST_PAUSE
        self.reason = ""

    @property
    def is_open(self) -> bool:
        """Ejected."""
        return self._opened is not None

    def check_refused(self, reason: str, now: float) -> None:
        """A check could not reach it."""
        self.reason = reason
        self._open(now)

    def check_unanswered(self, reason: str, now: float) -> None:
        """A check was not answered in time."""
        self._silent += 1
        self.reason = reason
        if self._silent >= _SILENT:
            self._open(now)

    def answered(self, now: float) -> None:
        """A check or a call was answered, be it with a refusal: back in rotation, if it has been out long enough."""
        self._silent = 0
        if self._opened is not None and now - self._opened >= self._pause:
            self._opened, self._closed = None, now

    def _open(self, now: float) -> None:
        if self._opened is None:
            unstable = self._closed is not None and now - self._closed < _STABLE
            self._pause = min(self._pause * 2, _LONGEST_PAUSE) if unstable else _FIRST_PAUSE
            self._opened = now
