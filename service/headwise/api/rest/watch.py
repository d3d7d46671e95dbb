"""Hears of callers who go away while they wait, so that nothing is done for nobody."""

from __future__ import annotations

import asyncio
import itertools

from starlette.types import Receive

_PATIENCE = 0.05
"""Seconds after which it is worth listening: most answers are there before."""


class Watch:
    """Cancels the task that answers when its caller goes away."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Task[None], tuple[float, Receive]] = {}
        self._listening: dict[asyncio.Task[None], asyncio.Task[None]] = {}
        self._gone: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, task: asyncio.Task[None], receive: Receive) -> None:
        """Watch for the caller of a task whose whole body has been read, so that nobody else listens."""
        loop = task.get_loop()
        due = loop.time() + _PATIENCE
        self._waiting[task] = due, receive
        if self._timer is None:
            self._timer = loop.call_at(due, self._listen, loop)

    def left(self, task: asyncio.Task[None]) -> None:
        """The caller of a task has gone away: what it waits for is waited for no longer."""
        self._gone.add(task)
        task.cancel()

    def end(self, task: asyncio.Task[None]) -> bool:
        """It is answered, or was cancelled; whether because its caller went away."""
        if self._waiting.pop(task, None) is not None:
            return False
        listening = self._listening.pop(task, None)
        if listening is not None:
            listening.cancel()
        gone = task in self._gone
        self._gone.discard(task)
        return gone

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task, (_, receive) in list(itertools.takewhile(lambda one: one[1][0] <= now, self._waiting.items())):
            del self._waiting[task]
            self._listening[task] = loop.create_task(self._hear(task, receive))
        waiting = next(iter(self._waiting.values()), None)
        self._timer = None if waiting is None else loop.call_at(waiting[0], self._listen, loop)

    async def _hear(self, task: asyncio.Task[None], receive: Receive) -> None:
        if (await receive())["type"] == "http.disconnect":
            self.left(task)
