"""The trace of a request: a span for it, and one for each of its stages.

On the way nothing is kept but moments. The spans of the stages are made of them when the answer has gone; they follow
one another without a gap, from the request's first moment to its last. Only `backend` is begun when the call is made:
the model server's own span lies in it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

from opentelemetry.context import attach
from opentelemetry.trace import Link, Span, Tracer, format_span_id, format_trace_id, set_span_in_context

from headwise.telemetry.requests import Answered
from headwise.telemetry.traces import attributes

T = TypeVar("T")

_MOST_LEGS = 64
"""Of a long stream, that are kept until they are written."""


def moments() -> Callable[[float], int]:
    """What turns a moment of `time.perf_counter` into one of the world, in nanoseconds.

    Made anew for each request: the world's clock is set now and then.
    """
    ahead = time.time_ns() - time.perf_counter_ns()
    return lambda moment: ahead + round(moment * 1e9)


class _Leg(NamedTuple):
    """The moments of an answer; a stream has many."""

    taken: float
    sent: float
    back: float
    done: float


class Trace:
    """Of the request that the present task answers. sampled: whether it is recorded."""

    __slots__ = ("_context", "_legs", "_span", "_tracer", "at", "sampled")

    def __init__(self, tracer: Tracer, span: Span, at: Callable[[float], int]) -> None:
        self._tracer = tracer
        self._span = span
        self._context = set_span_in_context(span)
        self._legs: list[_Leg] = []
        self.at = at
        self.sampled = span.is_recording()
        attach(self._context)

    @property
    def ids(self) -> tuple[str, str]:
        """Of the trace and of the span, as W3C writes them."""
        known = self._span.get_span_context()
        return format_trace_id(known.trace_id), format_span_id(known.span_id)

    def routed(self, method: str, route: str) -> None:
        """The route of a request over HTTP has become known."""
        self._span.update_name(attributes.http_name(method, route))
        self._span.set_attributes(attributes.of_route(route))

    def travelled(self, taken: float, sent: float, back: float, done: float) -> None:
        """As `Trail.travelled`."""
        if self.sampled:
            self._legs.append(_Leg(taken, sent, back, done))
            if len(self._legs) >= _MOST_LEGS:
                self._write()

    def stage(self, name: str, began: float, *links: Link, **more: int) -> Span:
        """Begin the span of a stage."""
        known = {f"headwise.batch.{key}": value for key, value in more.items()}
        return self._tracer.start_span(name, self._context, attributes=known, links=links, start_time=self.at(began))

    def share(self, traces: Sequence[Trace], rows: int, requests: int, sent: float) -> SharedCall:
        """Begin a call of requests, of which these have traces, this one among them."""
        return SharedCall(traces, rows=rows, requests=requests, sent=sent)

    def end(self, request: Answered) -> None:
        """The answer has gone."""
        if not self.sampled:
            return
        ended = request.started + request.seconds
        stages = None if request.trail is None else request.trail.stages
        if stages is not None:
            self._passed("parse", request.started, stages.taken)
            self._write()
            self._passed("encode", stages.done, ended)
        self._span.set_attributes(attributes.of_answer(request))
        if (kind := attributes.failure(request)) is not None:
            attributes.fail(self._span, kind)
        self._span.end(self.at(ended))

    def _write(self) -> None:
        for leg in self._legs:
            self._passed("queue", leg.taken, leg.sent)
            self._passed("head", leg.back, leg.done)
        self._legs.clear()

    def _passed(self, name: str, began: float, ended: float) -> None:
        self.stage(name, began).end(self.at(ended))


class SharedCall:
    """One call for several requests: the stage `backend` of each of them.

    The call itself belongs to the trace of the first that is recorded; the others' spans have a link to it. traces: of
    its requests that have one; rows, requests: of all. Make it in a task that answers nobody in particular.
    """

    def __init__(self, traces: Sequence[Trace], *, rows: int, requests: int, sent: float) -> None:
        first = next((trace for trace in traces if trace.sampled), traces[0])
        self._size = {"rows": rows, "requests": requests}
        self._span = first.stage("backend", sent, **self._size)
        self._first = first
        self._others = [trace for trace in traces if trace.sampled and trace is not first]
        self._sent = sent
        attach(set_span_in_context(self._span))

    async def made(self, call: Awaitable[T]) -> T:
        """Make it; it ends here if it fails."""
        try:
            return await call
        except BaseException as error:
            self.end(time.perf_counter(), getattr(error, "code", type(error).__name__))
            raise

    def end(self, back: float, failure: str | None = None) -> None:
        """It is back, or has failed with an error of that code."""
        link = Link(self._span.get_span_context())
        others = [(trace, trace.stage("backend", self._sent, link, **self._size)) for trace in self._others]
        for trace, span in [(self._first, self._span), *others]:
            if failure is not None:
                attributes.fail(span, failure)
            span.end(trace.at(back))
