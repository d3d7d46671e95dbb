"""Whether the event loop of a worker moves: it counts up a byte in a mapped file, at which its parent looks.

Mapped, because writing to it cannot fail: a full disk must not look like a worker that stands still.
"""

from __future__ import annotations

import asyncio
import mmap
import signal
from collections.abc import Sequence
from pathlib import Path

import structlog

from headwise.supervisor import SupervisedProcess

_log = structlog.get_logger(__name__)

_PAUSE = 1.0
_PATIENCE = 30
"""Looks without a beat, not seconds: while the parent itself stands still, none passes."""


class Pulse:
    """Of a worker; made first by its parent, and by each worker of its number after that."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(b"\0")
        with file.open("r+b") as opened:
            self._counter = mmap.mmap(opened.fileno(), 1)

    def beat(self) -> None:
        """Count."""
        self._counter[0] = (self._counter[0] + 1) % 256

    def count(self) -> int:
        """How often it has beaten, modulo 256."""
        return self._counter[0]


class Ward:
    """A worker that is looked after: it is ended when it stands still, so that its supervisor starts another."""

    def __init__(self, number: int, process: SupervisedProcess, pulse: Pulse, *, patience: int = _PATIENCE) -> None:
        self._number = number
        self._process = process
        self._pulse = pulse
        self._patience = patience
        self._seen: tuple[int | None, int] = (None, 0)
        self._silent: int | None = None

    def look(self) -> None:
        """Compare with the last look. A process that has not begun to beat is only just starting."""
        before, self._seen = self._seen, (self._process.pid, self._pulse.count())
        if self._seen[0] != before[0]:
            self._silent = None
        elif self._seen != before:
            self._silent = 0
        elif self._silent is not None:
            self._silent += 1
            self._end_if_silent(self._silent - self._patience)

    def _end_if_silent(self, looks: int) -> None:
        if looks == 1:
            _log.error("worker does not move, ending it", worker=self._number, seconds=self._patience * _PAUSE)
            self._process.tell(signal.SIGABRT)  # it writes where it stands
        elif looks > 1:
            self._process.tell(signal.SIGKILL)


async def look_after(wards: Sequence[Ward]) -> None:
    """Look until cancelled."""
    while True:
        await asyncio.sleep(_PAUSE)
        for ward in wards:
            ward.look()
