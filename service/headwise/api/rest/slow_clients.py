"""Lets no connection wait for ever: for a request's head, for its body, or until its answer is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

import structlog

_log = structlog.get_logger(__name__)

OVERDUE = "headwise.overdue"
"""Key in the scope of a request whose body did not come in time."""

_LONGEST_PAUSE = 1.0
_LOOKS = 10
"""So often the shortest patience is looked at, at least."""


class What(StrEnum):
    """What the other side of a connection owes."""

    HEAD = "head"
    BODY = "body"
    READING = "reading"


class Wait(NamedTuple):
    """What is waited for. progress: another number once the other side has moved."""

    what: What
    progress: int


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for a whole head; for a whole body, of a stream for each part; for taking any part of an answer."""

    head: float = 10.0
    body: float = 30.0
    reading: float = 30.0

    def of(self, what: What) -> float:
        """For one thing."""
        return {What.HEAD: self.head, What.BODY: self.body, What.READING: self.reading}[what]


class Waiting(Protocol):
    """A connection."""

    def waits_for(self) -> Wait | None:
        """What its other side owes; None while it owes nothing."""

    def give_up(self, what: What) -> None:
        """Wait no longer for it."""


class SlowClients:
    """Looks at all connections now and then: a timer for each request would cost more than a small request may.

    A wait is taken to have begun a pause before it is first seen, and ends a look before it would be too long: it is
    shorter than it may be, by a pause at most. connections: those that are open, as they come and go.
    """

    def __init__(self, patience: Patience, connections: Callable[[], Collection[Waiting]]) -> None:
        self._patience = patience
        self._connections = connections
        self._waits: dict[Waiting, tuple[Wait, float]] = {}
        self._pause = min(_LONGEST_PAUSE, *(patience.of(what) / _LOOKS for what in What))

    async def watch(self) -> None:
        """Look until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self._pause)
            try:
                self.look(clock())
            except Exception:  # noqa: BLE001  # no connection may end the gateway
                _log.exception("connections not looked at")

    def look(self, now: float) -> None:
        """Look at each connection once, and give up those that are late."""
        before, self._waits = self._waits, {}
        for connection in tuple(self._connections()):
            wait = connection.waits_for()
            if wait is None:
                continue
            known = before.get(connection)
            since = known[1] if known is not None and known[0] == wait else now - self._pause
            limit = self._patience.of(wait.what)
            if now + self._pause / 2 - since > limit:  # the next look would be too late
                _log.info("slow client", waited_for=wait.what.value, seconds=limit)
                connection.give_up(wait.what)
            else:
                self._waits[connection] = wait, since
