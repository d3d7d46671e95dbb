"""Adaptive micro-batching: the rows of concurrent requests travel as one call.

Nothing waits while the backend is idle: the first request goes at the end of the loop's turn, with whatever came in the
same turn. What comes while a call is under way forms the next one, which goes as soon as that call is back, is full, or
has waited for an eighth of the time that calls take, and for `Limits.wait` at most.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from headwise.backends.base import Arrays, RawPrediction
from headwise.errors import BackendTimeoutError

A = TypeVar("A")
Answer_co = TypeVar("Answer_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Limits:
    """How far requests may be put together.

    rows, size: of a call, size in bytes; a request that is larger alone goes alone. Above a quarter of a megabyte it
    costs more to copy tensors together than the calls that it saves. wait: seconds after which a request
    goes although earlier calls of its kind are still under way. calls: under way at once, of one kind; of all kinds
    `calls_in_all`. sizes: numbers of rows that the backend pads a batch to (TensorFlow Serving's allowed_batch_sizes).
    """

    rows: int = 1024
    size: int = 256 * 1024
    wait: float = 0.005
    calls: int = 2
    calls_in_all: int = 16
    sizes: tuple[int, ...] = ()

    @property
    def full(self) -> int:
        """The rows of a call that cannot grow."""
        return max(self.sizes, default=self.rows)

    def most_rows(self, waiting: int) -> int:
        """How many of the waiting rows the next call should take: no more than fill a size, where there are sizes."""
        if not self.sizes:
            return self.rows
        return max((size for size in self.sizes if size <= waiting), default=min(self.sizes))


_SHARE = 8
"""A request waits for an eighth of the time that calls take: longer left the backend idle, and answers were fewer."""
_MEMORY = 8
"""Over how many calls the time that they take is averaged."""


class Work(Protocol[Answer_co]):
    """What is done for a batch."""

    def join(self, inputs: Sequence[Any]) -> Arrays:
        """The inputs of several requests as those of one call.

        Raises: HeadwiseError, which may be one request's fault: each is then tried by itself.
        """

    async def call(self, inputs: Arrays, *, deadline: float) -> RawPrediction:
        """Ask the backend; deadline by the loop's clock. Every output has as many rows as the inputs."""

    def may_be_ones_fault(self, error: Exception) -> bool:
        """Whether a call that failed so may go well without one of its requests."""

    def answer(self, raw: RawPrediction, asked: Any, requests: int) -> Answer_co:
        """The answer to so many requests that asked alike, from their rows of the outputs."""


class Part(NamedTuple, Generic[A]):
    """A request's rows of an answer, from start to stop."""

    answer: A
    start: int
    stop: int


class Member(Generic[A]):
    """A request on its way; `answer` is a future."""

    __slots__ = ("answer", "asked", "deadline", "inputs", "lane", "rows", "since", "size")

    def __init__(self, inputs: Any, rows: int, size: int, asked: Hashable, deadline: float, lane: _Lane) -> None:
        self.inputs = inputs
        self.rows = rows
        self.size = size
        self.asked = asked
        self.deadline = deadline
        self.lane = lane
        self.since = lane.loop.time()
        self.answer: asyncio.Future[Part[A]] = lane.loop.create_future()


class _Lane:
    """Requests that may travel together: those that wait, and the calls under way."""

    def __init__(self, key: Hashable, work: Work[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.key = key
        self.loop = loop
        self.work = work
        self.waiting: deque[Member[Any]] = deque()
        self.rows = self.size = 0
        self.queued = False
        self.timer: asyncio.TimerHandle | None = None
        self.calls: dict[asyncio.Task[None], Sequence[Member[Any]]] = {}
        self.took = math.inf

    def take(self, limits: Limits) -> list[Member[Any]]:
        """The members of the next call; those that have been answered meanwhile, or are gone, are left out."""
        taken: list[Member[Any]] = []
        rows = size = 0
        most = limits.most_rows(self.rows)
        while self.waiting:
            member = self.waiting[0]
            if not member.answer.done():
                if taken and (rows + member.rows > most or size + member.size > limits.size):
                    break
                taken.append(member)
                rows, size = rows + member.rows, size + member.size
            self.waiting.popleft()
            self.rows -= member.rows
            self.size -= member.size
        return taken

    def due(self, limits: Limits, now: float) -> bool:
        """Whether the next call may go."""
        if not self.waiting or len(self.calls) >= limits.calls:
            return False
        full = self.rows >= limits.full or self.size >= limits.size
        return not self.calls or full or now - self.waiting[0].since >= self.patience(limits)

    def patience(self, limits: Limits) -> float:
        """Seconds that a request waits for the call under way, so that calls take turns and company can come."""
        return min(limits.wait, self.took / _SHARE)


class Batcher:
    """Puts requests together; one for a gateway. Use it within one event loop."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._lanes: dict[Hashable, _Lane] = {}
        self._ready: deque[_Lane] = deque()
        self._calls = 0
        self._pumping = False
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def kinds(self) -> int:
        """How many kinds of requests are waiting or under way."""
        return len(self._lanes)

    async def run(
        self, work: Work[A], inputs: Any, rows: int, asked: Hashable, *, size: int = 0, kind: Hashable, deadline: float
    ) -> Part[A]:
        """Answer one request; a caller who is cancelled leaves. See `_put` for what is asked.

        Raises: what `work` raises for this request's rows; BackendTimeoutError at the deadline. An error of other
        requests in the batch does not reach it.
        """
        member = self._put(work, inputs, rows, asked, size=size, kind=kind, deadline=deadline)
        try:
            return await member.answer
        except asyncio.CancelledError:
            self._leave(member)
            raise

    def _put(
        self, work: Work[A], inputs: Any, rows: int, asked: Hashable, *, size: int = 0, kind: Hashable, deadline: float
    ) -> Member[A]:
        """Take up a request of `rows` rows and `size` bytes; deadline by the loop's clock.

        kind: requests of equal kinds travel together; None: it travels alone.
        """
        lane = self._lanes.get(kind)
        if lane is None:
            key = object() if kind is None else kind
            lane = self._lanes[key] = _Lane(key, work, asyncio.get_running_loop())
        member: Member[A] = Member(inputs, rows, size, asked, deadline, lane)
        lane.waiting.append(member)
        lane.rows += rows
        lane.size += size
        if not lane.queued:
            self._wake(lane)
        if self._sweep is None or deadline < self._sweep.when():
            self._watch(deadline, lane.loop)
        return member

    def _leave(self, member: Member[Any]) -> None:
        """Nobody waits for this request any more: a call that runs for nobody ends."""
        for task, members in member.lane.calls.items():
            if member in members and all(mate.answer.done() for mate in members):
                task.cancel()

    def _wake(self, lane: _Lane) -> None:
        """Have the lane looked at when the loop's turn ends, after the lanes that came before it."""
        if not lane.queued:
            lane.queued = True
            self._ready.append(lane)
        if not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Start what is due, a call of each lane in turn, while there is room for calls."""
        self._pumping = False
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._ready and self._calls < self._limits.calls_in_all:
            lane = self._ready.popleft()
            lane.queued = False
            if lane.due(self._limits, now) and (members := lane.take(self._limits)):
                task = loop.create_task(_run(lane.work, members))
                lane.calls[task] = members
                self._calls += 1
                task.add_done_callback(partial(self._landed, lane, now))
                if lane.waiting:
                    lane.queued = True
                    self._ready.append(lane)
            elif lane.waiting and lane.timer is None and len(lane.calls) < self._limits.calls:
                lane.timer = loop.call_at(lane.waiting[0].since + lane.patience(self._limits), self._ring, lane)
            self._forget(lane)

    def _ring(self, lane: _Lane) -> None:
        """A request of the lane has waited long enough."""
        lane.timer = None
        self._wake(lane)

    def _landed(self, lane: _Lane, began: float, task: asyncio.Task[None]) -> None:
        self._calls -= 1
        took = lane.loop.time() - began
        lane.took = took if lane.took == math.inf else lane.took + (took - lane.took) / _MEMORY
        for member in lane.calls.pop(task):
            if not member.answer.done():  # the call was cancelled
                member.answer.cancel()
        self._wake(lane)

    def _forget(self, lane: _Lane) -> None:
        """A lane without requests is gone: its model may be, too."""
        if not (lane.waiting or lane.calls or lane.queued):
            if lane.timer is not None:
                lane.timer.cancel()
            self._lanes.pop(lane.key, None)

    def _watch(self, deadline: float, loop: asyncio.AbstractEventLoop) -> None:
        """Have somebody look when the next deadline comes; one timer is enough for all."""
        if self._sweep is not None:
            self._sweep.cancel()
        self._sweep = loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        """Answer those whose deadline has come; their batch-mates go on."""
        self._sweep = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        left = math.inf
        for member in self._members():
            if member.answer.done():
                continue
            if member.deadline <= now:
                waited = f"the model server did not answer within {now - member.since:.3g} s"
                member.answer.set_exception(BackendTimeoutError(waited))
            else:
                left = min(left, member.deadline)
        if left < math.inf:
            self._watch(left, loop)

    def _members(self) -> Iterable[Member[Any]]:
        for lane in self._lanes.values():
            yield from lane.waiting
            for members in lane.calls.values():
                yield from members


async def _run(work: Work[Any], members: Sequence[Member[Any]]) -> None:
    """Answer every member, whatever happens: somebody waits for each."""
    groups = _grouped(members)
    ordered = list(itertools.chain.from_iterable(groups))
    try:
        inputs = work.join([member.inputs for member in ordered])
    except Exception as error:  # noqa: BLE001  # as below
        if len(ordered) > 1:
            await asyncio.gather(*(_run(work, some) for some in _told_apart(work, ordered) if some))
        else:
            _fail(ordered, error)
        return
    try:
        raw = await work.call(inputs, deadline=max([member.deadline for member in ordered]))
    except Exception as error:  # noqa: BLE001  # a batch that ended without an answer would leave its callers waiting
        if len(ordered) > 1 and work.may_be_ones_fault(error):
            half = len(ordered) // 2
            await asyncio.gather(_run(work, ordered[:half]), _run(work, ordered[half:]))
        else:
            _fail(ordered, error)
    else:
        start = 0
        for group in groups:
            _answer(work, raw, group, start)
            start += sum(member.rows for member in group)


def _answer(work: Work[Any], raw: RawPrediction, group: Sequence[Member[Any]], start: int) -> None:
    """Answer members that asked alike, whose rows begin at `start`."""
    rows = sum(member.rows for member in group)
    try:
        answer = work.answer(_rows(raw, start, start + rows), group[0].asked, len(group))
    except Exception as error:  # noqa: BLE001  # as above
        if len(group) > 1:
            for member in group:
                _answer(work, raw, [member], start)
                start += member.rows
        else:
            _fail(group, error)
        return
    at = 0
    for member in group:
        if not member.answer.done():
            member.answer.set_result(Part(answer, at, at + member.rows))
        at += member.rows


def _grouped(members: Sequence[Member[Any]]) -> Sequence[Sequence[Member[Any]]]:
    """The members by what they ask, each in the order in which it came."""
    first = members[0].asked
    if all(member.asked is first for member in members):
        return [members]
    groups: dict[Hashable, list[Member[Any]]] = {}
    for member in members:
        groups.setdefault(member.asked, []).append(member)
    return list(groups.values())


def _told_apart(work: Work[Any], members: Sequence[Member[Any]]) -> tuple[list[Member[Any]], list[Member[Any]]]:
    """Fail the members whose inputs are at fault; those that are left, and nobody where all are at fault."""
    good = []
    for member in members:
        try:
            member.inputs = work.join([member.inputs])
        except Exception as error:  # noqa: BLE001  # as above
            _fail([member], error)
        else:
            good.append(member)
    # Nobody is at fault alone where only the whole cannot be joined: halves will tell.
    half = len(good) // 2 if len(good) == len(members) else len(good)
    return good[:half], good[half:]


def _rows(raw: RawPrediction, start: int, stop: int) -> RawPrediction:
    return RawPrediction(raw.version, {name: array[start:stop] for name, array in raw.outputs.items()})


def _fail(members: Sequence[Member[Any]], error: Exception) -> None:
    for member in members:
        if not member.answer.done():
            member.answer.set_exception(error)
