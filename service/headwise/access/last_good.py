"""What files hold, read again when they change; where they go bad, what they held before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from headwise.errors import ConfigurationError

T = TypeVar("T")
_log = structlog.get_logger(__name__)

_Stamp = tuple[tuple[int, int, int] | None, ...]


class LastGood(Generic[T]):
    """The last good reading of files. what: their name in the log and for `failed`, which counts bad readings.

    interval: seconds between looks; nobody looks unless somebody asks. Raises: ConfigurationError if the first reading
    is bad.
    """

    def __init__(
        self,
        files: Sequence[Path],
        read: Callable[[], T],
        *,
        what: str,
        failed: Callable[[str], None],
        interval: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = files
        self._read = read
        self._what = what
        self._failed = failed
        self._interval = interval
        self._clock = clock
        self._lock = threading.Lock()  # gRPC asks from threads of its own
        self._stamp = self._stamps()  # before the reading: what changes meanwhile is read again
        self._due = clock() + interval
        self._kept = read()

    def __call__(self) -> T:
        """What is true now."""
        if self._clock() >= self._due and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return self._kept

    def _look(self) -> None:
        self._due = self._clock() + self._interval
        stamp = self._stamps()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._kept = self._read()
        except ConfigurationError as error:
            self._failed(self._what)
            _log.warning(f"{self._what} not reloaded", reason=str(error), last_good_kept=True)
        else:
            _log.info(f"{self._what} reloaded")

    def _stamps(self) -> _Stamp:
        return tuple(_stamp(file) for file in self._files)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
