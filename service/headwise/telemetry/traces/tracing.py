"""What begins spans: of requests, of calls of a model server, and in a model server.

Whose trace something belongs to is OpenTelemetry's current span, which a task inherits. What W3C calls trace context
comes and goes in the headers `traceparent` and `tracestate`, over HTTP and gRPC alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from headwise import __version__
from headwise.telemetry import trail
from headwise.telemetry.traces import attributes
from headwise.telemetry.traces.trace import Trace, moments
from headwise.telemetry.trail import Trail

_W3C = TraceContextTextMapPropagator()
_HEADERS = ("traceparent", "tracestate")
_RAW_HEADERS = {name.encode(): name for name in _HEADERS}


class Tracing:
    """One for a process. close: send what is left, within so many seconds."""

    def __init__(self, provider: TracerProvider, close: Callable[[float], None]) -> None:
        self._tracer = provider.get_tracer("headwise", __version__)
        self.close = close

    def http(self, scope: Mapping[str, Any], started: float, route: str | None = None) -> Trail:
        """As `trail.begin`, of a request over HTTP; its route may become known later."""
        context: dict[str, str] = {}
        for raw, value in scope["headers"]:
            if (name := _RAW_HEADERS.get(raw)) is not None:  # tracestate may come in several lines
                text = value.decode("latin-1")
                context[name] = f"{context[name]},{text}" if name in context else text
        known = attributes.of_http(scope["method"], scope["path"], scope.get("scheme", "http"), route)
        return self._begin(attributes.http_name(scope["method"], route), known, context, started)

    def grpc(self, method: str, metadata: Mapping[str, Any], started: float) -> Trail:
        """As `trail.begin`, of a call of gRPC."""
        return self._begin(method, attributes.of_grpc(method), _context(metadata), started)

    def _begin(self, name: str, known: attributes.Attributes, context: Mapping[str, str], started: float) -> Trail:
        told = trail.begin()
        wall = moments()
        span = self._tracer.start_span(name, _caller(context), SpanKind.SERVER, known, start_time=wall(started))
        told.trace = Trace(self._tracer, span, wall)
        return told

    @contextmanager
    def calling(self, method: str, target: str) -> Iterator[Sequence[tuple[str, str]] | None]:
        """Call a method of tensorflow.serving, with this metadata; where nobody's trace is under way it is no span."""
        if not get_current_span().get_span_context().is_valid:
            yield None
            return
        name = f"tensorflow.serving.{method}"
        known = {**attributes.of_grpc(name), **attributes.of_target(target)}
        span = self._tracer.start_span(name, None, SpanKind.CLIENT, known)
        carried: dict[str, str] = {}
        _W3C.inject(carried, set_span_in_context(span))
        status = "UNKNOWN"
        try:
            yield tuple(carried.items())
            status = "OK"
        except grpc.RpcError as error:
            status = error.code().name
            raise
        except asyncio.CancelledError:
            status = "CANCELLED"
            raise
        finally:
            _end(span, status, failed=status != "OK")

    @contextmanager
    def serving(self, method: str, metadata: Mapping[str, Any]) -> Iterator[Served]:
        """Answer a call. It is a span where its caller has a trace: calls that only look around shall begin none."""
        served, caller = Served(), _caller(_context(metadata))
        if not get_current_span(caller).get_span_context().is_valid:
            yield served
            return
        span = self._tracer.start_span(method, caller, SpanKind.SERVER, attributes.of_grpc(method))
        try:
            yield served
        finally:
            _end(span, served.status, failed=served.status in attributes.FAILED)


class Served:
    """How a call ended. status: the name of gRPC's; UNKNOWN for an error that nobody expected."""

    def __init__(self) -> None:
        self.status = "UNKNOWN"


def _context(metadata: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(metadata[name]) for name in _HEADERS if name in metadata}


def _caller(context: Mapping[str, str]) -> Context:
    """What the headers say; nothing, where they cannot be read."""
    return _W3C.extract(context, Context())


def _end(span: Span, status: str, *, failed: bool) -> None:
    span.set_attribute(attributes.GRPC_STATUS, status)
    if failed:
        attributes.fail(span, status)
    span.end()
