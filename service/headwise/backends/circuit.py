"""Whether a model server is in rotation, by what its calls and its checks came to. Times are of a monotonic clock."""

from __future__ import annotations

_FAILURES = 5
"""Calls in a row that did not reach it, after which it is ejected."""
_SILENT = 2
"""Checks in a row that it let pass, after which it is; one may be lost to a busy moment."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_STABLE = 30.0
"""Seconds in rotation after which the next ejection is a first one again."""


class Circuit:
    """Closed: in rotation. Open: ejected, until a check is answered after a pause, which grows while it comes and goes.

    A caller's deadline that passes is no failure: a model may be slow, and the others of its server are not. The check
    tells a slow server from a hung one.
    """

    __slots__ = ("_closed", "_failures", "_opened", "_pause", "_silent", "reason")

    def __init__(self) -> None:
        self._failures = self._silent = 0
        self._closed: float | None = None
        self._opened: float | None = None
        self._pause = _FIRST_PAUSE
        self.reason = ""

    @property
    def is_open(self) -> bool:
        """Ejected."""
        return self._opened is not None

    def succeeded(self) -> None:
        """A call was answered, be it with a refusal."""
        self._failures = self._silent = 0

    def failed(self, reason: str, now: float) -> None:
        """A call did not reach it, or was cut off."""
        self._failures += 1
        self.reason = reason
        if self._failures >= _FAILURES:
            self._open(now)

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

    def check_answered(self, now: float) -> None:
        """A check was answered: back in rotation, if it has been out for long enough."""
        self._silent = 0
        if self._opened is not None and now - self._opened >= self._pause:
            self._failures = 0
            self._opened, self._closed = None, now

    def _open(self, now: float) -> None:
        if self._opened is None:
            unstable = self._closed is not None and now - self._closed < _STABLE
            self._pause = min(self._pause * 2, _LONGEST_PAUSE) if unstable else _FIRST_PAUSE
            self._opened = now
