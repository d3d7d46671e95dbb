"""Memory of the process's control group: what a container may have, and what it has."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_INTERVAL = 0.25
_GIVE_BACK = 0.5
"""The share of the mark above which free memory is given back, at every fourth look. What large bodies had is kept by
the C library: of 120 bodies in 600 MB 22 were answered with this, 2 without."""
_SELDOM = 4
_PROC, _ROOT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


class _Names(NamedTuple):
    """Files of a control group, and the line of `memory.stat` that says what can be dropped at any time."""

    limit: str
    used: str
    droppable: str


_V2 = _Names("memory.max", "memory.current", "inactive_file")
_V1 = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_UNLIMITED = 2**60
"""Version 1 says a number above this where it has no limit."""


class Memory:
    """A control group with a limit, as of the last look."""

    def __init__(self, folder: Path, names: _Names, limit: int, watermark: float) -> None:
        self._folder = folder
        self._names = names
        self._limit = limit
        self._mark = int(limit * watermark)
        self._used = 0

    def __str__(self) -> str:
        return f"{self._used >> 20} of {self._limit >> 20} MiB are used"

    def look(self) -> None:
        """Read what is used: without files' contents that the system keeps only as long as nobody needs the room."""
        try:
            used = int((self._folder / self._names.used).read_text())
            droppable = _stat(self._folder).get(self._names.droppable, 0)
        except (OSError, ValueError):  # a group that is being moved or removed
            return
        self._used = used - droppable

    def would_be_short(self, size: int = 0) -> bool:
        """Whether more than the share of the limit would be used with so many bytes more."""
        return self._used + size > self._mark

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        looked = 0
        while True:
            self.look()
            if self._used > _GIVE_BACK * self._mark and looked % _SELDOM == 0:
                await asyncio.to_thread(give_back)
            looked += 1
            await asyncio.sleep(_INTERVAL)


def give_back() -> None:
    """Have the C library return to the system what is free: it keeps what large bodies had, for bodies to come."""
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


def limited(watermark: float, *, proc: Path = _PROC, root: Path = _ROOT) -> Memory | None:
    """The control group of this process, or the one above it, that has the least limit; None where none has one."""
    found: list[tuple[int, Path, _Names]] = []
    for line in _lines(proc):
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        names, top = (_V1, root / "memory") if controllers else (_V2, root)
        folder = top / path.lstrip("/")
        for group in (folder, *folder.parents):
            limit = _number(group / names.limit)
            if limit is not None and limit < _UNLIMITED:
                found.append((limit, group, names))
            if group == top:
                break
    if not found:
        return None
    limit, group, names = min(found, key=lambda one: one[0])
    return Memory(group, names, limit, watermark)


def _lines(proc: Path) -> list[str]:
    try:
        return [line for line in proc.read_text().splitlines() if line.count(":") >= 2]
    except OSError:
        return []


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # "max"
        return None


def _stat(folder: Path) -> Mapping[str, int]:
    pairs = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}
