"""When requests travel.

Nothing waits while the backend is idle: the first request goes at the end of the loop's turn, with whatever came in the
same turn. What comes while a call is under way forms the next one, which goes as soon as that call is back, is full, or
has waited for an eighth of the time that calls take, and for `Limits.wait` at most.

A request is refused when it comes if the rows ahead of it would take longer than `Limits.queue`, so that those that are
taken are answered in time, and callers hear at once.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any

from headwise.batching import batch
from headwise.batching.lane import Journey, Lane, Limits, Member
from headwise.batching.pace import Pace
from headwise.batching.work import A, Part, Work
from headwise.errors import BackendTimeoutError, OverloadedError

if TYPE_CHECKING:
    from headwise.telemetry.traces.trace import Trace

_TICK = 0.001
"""uvloop's clock has whole milliseconds: a shorter timer rings at once, and again and again until the next of them."""
_SOON = 0.02
"""Seconds until those who left are sorted out: together, since it takes a look at all requests."""
_PACES = 4096
"""Kinds of requests whose pace is remembered."""


class Batcher:
    """Puts requests together; one for a gateway. Use it within one event loop.

    departed: told a call's owner, rows and requests. refused: told that a request is, since it would wait for too long.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        departed: Callable[[Any, int, int], None] = lambda *_: None,
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._limits = limits or Limits()
        self._departed = departed
        self._refused = refused
        self._lanes: dict[Hashable, Lane] = {}
        self._paces: dict[Hashable, Pace] = {}
        self._ready: deque[Lane] = deque()
        self._calls = 0
        self._owned: Counter[Hashable] = Counter()
        self._pumping = False
        self._sweep: asyncio.TimerHandle | None = None
        self._swept = math.inf

    @property
    def kinds(self) -> int:
        """How many kinds of requests are waiting or under way."""
        return len(self._lanes)

    @property
    def waiting(self) -> int:
        """How many requests wait for a call."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    async def run(
        self,
        work: Work[A],
        inputs: Any,
        rows: int,
        asked: Hashable,
        *,
        size: int = 0,
        kind: Hashable,
        deadline: float,
        trace: Trace | None = None,
    ) -> Part[A]:
        """Answer a request of `rows` rows and `size` bytes; a caller who is cancelled leaves.

        asked: what `work.answer` is told; those of a call that asked alike share an answer. kind: requests of equal
        kinds travel together. deadline: by the loop's clock. trace: the request's, which the call is written into.

        Raises: what `work` raises for this request's rows; BackendTimeoutError at the deadline; OverloadedError where
        it would have to wait for too long. An error of other requests in the batch does not reach it.
        """
        lane = self._lanes.get(kind)
        if lane is None:
            lane = self._lanes[kind] = Lane(kind, work, self._pace(kind), asyncio.get_running_loop())
        elif lane.crowded(self._limits):
            self._refused()
            raise OverloadedError(_CROWDED)
        member: Member[A] = Member(inputs, rows, size, asked, deadline, lane, trace)
        lane.waiting.append(member)
        lane.rows += rows
        lane.size += size
        if not lane.queued:
            self._wake(lane)
        if deadline < self._swept:
            self._watch(min(deadline, lane.loop.time() + self._limits.queue), lane.loop)
        try:
            return await member.answer
        except asyncio.CancelledError:
            member.let_go()
            self._leave(member)
            raise
        except Exception:
            member.let_go()
            raise

    def _leave(self, member: Member[Any]) -> None:
        """Nobody waits for this request any more: a call that runs for nobody ends."""
        loop = member.lane.loop
        if (soon := loop.time() + _SOON) < self._swept:
            self._watch(soon, loop)
        for task, members in member.lane.calls.items():
            if member in members and all(mate.answer.done() for mate in members):
                task.cancel()

    def _wake(self, lane: Lane) -> None:
        """Have the lane looked at when the loop's turn ends, after the lanes that came before it."""
        if not lane.queued:
            lane.queued = True
            self._ready.append(lane)
        self._look()

    def _look(self) -> None:
        if not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Start what is due, a call of each lane in turn, while there is room for calls."""
        self._pumping = False
        loop = asyncio.get_running_loop()
        now = time.perf_counter()
        held = []
        while self._ready and self._calls < self._limits.calls_in_all:
            lane = self._ready.popleft()
            owner = lane.work.owner
            if owner is not None and self._owned[owner] >= self._limits.calls_of_one:
                held.append(lane)
                continue
            lane.queued = False
            if lane.due(self._limits, now) and (members := lane.take(self._limits)):
                # A call is nobody's in particular: it must not know whose request happened to wake us.
                task = loop.create_task(batch.run(lane.work, members), context=Context())
                self._calls += 1
                self._owned[owner] += 1
                journey = lane.depart(task, members, now)
                task.add_done_callback(partial(self._landed, lane, journey))
                self._departed(owner, journey.rows, len(members))
                if lane.waiting:
                    lane.queued = True
                    self._ready.append(lane)
            elif lane.waiting and lane.timer is None and len(lane.calls) < self._limits.calls:
                left = lane.waiting[0].since + lane.patience(self._limits) - now
                lane.timer = loop.call_later(max(left, _TICK), self._ring, lane)
            self._forget(lane)
        self._ready.extend(held)

    def _ring(self, lane: Lane) -> None:
        """A request of the lane has waited long enough."""
        lane.timer = None
        self._wake(lane)

    def _landed(self, lane: Lane, journey: Journey, task: asyncio.Task[bool]) -> None:
        self._calls -= 1
        owner = lane.work.owner
        self._owned[owner] -= 1
        if not self._owned[owner]:
            del self._owned[owner]
        failed = None if task.cancelled() else task.exception()
        for member in lane.land(task, journey, time.perf_counter()):
            if member.answer.done():
                continue
            if failed is None:  # the call was cancelled
                member.answer.cancel()
            else:
                member.answer.set_exception(failed)
        self._wake(lane)
        if self._ready:  # lanes that were held for their owner
            self._look()

    def _forget(self, lane: Lane) -> None:
        """A lane without requests is gone: its model may be, too."""
        if not (lane.waiting or lane.calls or lane.queued):
            if lane.timer is not None:
                lane.timer.cancel()
            self._lanes.pop(lane.key, None)

    def _watch(self, deadline: float, loop: asyncio.AbstractEventLoop) -> None:
        """Have somebody look when the next deadline comes; one timer is enough for all."""
        if self._sweep is not None:
            self._sweep.cancel()
        self._sweep, self._swept = loop.call_at(deadline, self._expire), deadline

    def _expire(self) -> None:
        """Answer those whose deadline has come, or that have waited for too long; their batch-mates go on.

        Whoever has been answered while it waited leaves its lane.
        """
        self._sweep, self._swept = None, math.inf
        loop = asyncio.get_running_loop()
        now, clock = loop.time(), time.perf_counter()
        left, gone = math.inf, set()
        for member, waiting in self._members():
            if member.answer.done():
                pass
            elif member.deadline <= now:
                waited = f"the model server did not answer within {clock - member.since:.3g} s"
                member.answer.set_exception(BackendTimeoutError(waited))
            elif waiting and member.lane.overdue(member, self._limits, clock):
                self._refused()
                member.answer.set_exception(OverloadedError(_CROWDED))
            else:
                left = min(left, member.deadline, now + self._limits.queue if waiting else math.inf)
            if waiting and member.answer.done():
                gone.add(member.lane)
        for lane in gone:
            lane.sort_out()
        if left < math.inf:
            self._watch(left, loop)

    def _members(self) -> Iterable[tuple[Member[Any], bool]]:
        """All requests, and whether they wait for a call."""
        for lane in self._lanes.values():
            for member in lane.waiting:
                yield member, True
            for members in lane.calls.values():
                for member in members:
                    yield member, False

    def _pace(self, kind: Hashable) -> Pace:
        """What is known of a kind's pace, from before it had a lane."""
        pace = self._paces.pop(kind, None) or Pace()
        self._paces[kind] = pace
        if len(self._paces) > _PACES:
            del self._paces[next(iter(self._paces))]
        return pace


_CROWDED = "more requests came than the model server can answer in time: this one would have to wait for too long"
