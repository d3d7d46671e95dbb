"""Traces that a test reads, and how their spans hang together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context
from functools import wraps
from typing import Any, ParamSpec

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler
from opentelemetry.trace import format_span_id, format_trace_id

from headwise.telemetry.traces.tracing import Tracing
from headwise.telemetry.trail import STAGES

P = ParamSpec("P")

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"
"""What a caller's `traceparent` says."""


def apart(test: Callable[P, None]) -> Callable[P, None]:
    """A test whose request, which the thread would take for its own from then on, no later test shall know of."""

    @wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> None:
        Context().run(test, *arguments, **named)

    return run


class Spans:
    """Those of `tracing` that have ended."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler or ParentBased(ALWAYS_ON), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(provider, lambda _: provider.shutdown())

    @property
    def all(self) -> Sequence[ReadableSpan]:
        """In the order in which they ended."""
        return self._exporter.get_finished_spans()

    @property
    def roots(self) -> list[ReadableSpan]:
        """Those of requests."""
        return [span for span in self.all if span.kind.name == "SERVER"]

    def only_root(self) -> ReadableSpan:
        """That of the one request."""
        (root,) = self.roots
        return root

    def under(self, parent: ReadableSpan) -> list[ReadableSpan]:
        """The children of a span, by their begin."""
        found = [span for span in self.all if span.parent is not None and span.parent.span_id == span_id(parent)]
        return sorted(found, key=lambda span: (span.start_time or 0, span.end_time or 0))

    def stages(self, root: ReadableSpan) -> list[ReadableSpan]:
        """The children of a request's span that are its stages."""
        return [span for span in self.under(root) if span.name in STAGES]


def add_up(root: ReadableSpan, stages: Sequence[ReadableSpan]) -> bool:
    """Whether all stages are there, in their order, without a gap, from the request's first moment to its last."""
    moments = [(span.start_time, span.end_time) for span in stages]
    begins, ends = [began for began, _ in moments], [ended for _, ended in moments]
    return (
        tuple(span.name for span in stages) == STAGES
        and begins == [root.start_time, *ends[:-1]]
        and ends[-1] == root.end_time
    )


def span_id(span: ReadableSpan) -> int:
    """Its own."""
    assert span.context is not None
    number: int = span.context.span_id
    return number


def ids(span: ReadableSpan) -> tuple[str, str]:
    """Of its trace and of itself, as W3C writes them."""
    assert span.context is not None
    return format_trace_id(span.context.trace_id), format_span_id(span.context.span_id)


def said(span: ReadableSpan) -> dict[str, Any]:
    """Its attributes."""
    return dict(span.attributes or {})
