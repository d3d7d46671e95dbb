"""What becomes known of a request on its way, for its line in the log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # OpenTelemetry is an extra
    from headwise.telemetry.traces.trace import Trace

Counts = Mapping[str, Mapping[str, int]]
"""By head, how often each label was answered."""


STAGES = ("parse", "queue", "backend", "head", "encode")
"""Of a request, in their order: its body is read, it waits for a call, the call, the heads read it, it is written."""


class Stages(NamedTuple):
    """Where the time of a request went that was answered.

    taken, done: the moments at which it was read and at which its answer was known, by `time.perf_counter`. queue,
    backend, head: the seconds in between. Of a stream, taken is of its first answer and done of its last one, and the
    seconds are the sums of all, which may go on at the same time.
    """

    taken: float
    queue: float
    backend: float
    head: float
    done: float

    def seconds(self, started: float, ended: float) -> tuple[float, float, float, float, float]:
        """How long each of the STAGES took of a request that began and ended then; they add up, but for a stream's."""
        return self.taken - started, self.queue, self.backend, self.head, ended - self.done


class Trail:
    """Of one request; where it has several answers, as a stream does, they add up.

    version: the one that answered, last. abstained: rows without an answer, by head. code: of the error that it met.
    caller: the id of its key. trace: where traces are switched on.
    """

    __slots__ = ("abstained", "caller", "code", "decided", "rows", "stages", "trace", "version")

    def __init__(self) -> None:
        self.version: int | None = None
        self.rows: int | None = None
        self.decided: Counts = {}
        self.abstained: Mapping[str, int] = {}
        self.code: str | None = None
        self.caller: str | None = None
        self.stages: Stages | None = None
        self.trace: Trace | None = None

    def travelled(self, taken: float, sent: float, back: float) -> None:
        """The heads have read what a call brought just now; all are moments by `time.perf_counter`."""
        done = time.perf_counter()
        queue, backend, head = sent - taken, back - sent, done - back
        before = self.stages
        if before is None:
            self.stages = Stages(taken, queue, backend, head, done)
        else:
            sums = before.queue + queue, before.backend + backend, before.head + head
            self.stages = Stages(before.taken, *sums, done)
        if self.trace is not None:
            self.trace.travelled(taken, sent, back, done)

    def answered(
        self,
        version: int,
        rows: int | None = None,
        decided: Counts | None = None,
        abstained: Mapping[str, int] | None = None,
    ) -> None:
        """A version has answered; what is None is not known."""
        self.version = version
        if rows is not None:
            self.rows = (self.rows or 0) + rows
        if decided:
            self.decided = {**self.decided, **_summed(self.decided, decided)} if self.decided else decided
        if abstained:
            self.abstained = _sum(self.abstained, abstained) if self.abstained else abstained


_CURRENT: ContextVar[Trail | None] = ContextVar("trail", default=None)
current = _CURRENT.get
"""That of the request that is being answered; None outside of one."""


def begin() -> Trail:
    """A new one, for the request that the present task answers."""
    trail = Trail()
    _CURRENT.set(trail)
    return trail


def failed(code: str) -> None:
    """The request meets an error."""
    trail = _CURRENT.get()
    if trail is not None:
        trail.code = code


def _summed(before: Counts, now: Counts) -> Counts:
    return {head: _sum(before.get(head, {}), counts) for head, counts in now.items()}


def _sum(before: Mapping[str, int], now: Mapping[str, int]) -> Mapping[str, int]:
    return {**before, **{name: before.get(name, 0) + count for name, count in now.items()}}
