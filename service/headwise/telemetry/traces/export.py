"""Where spans go: by OTLP over gRPC to a collector, which may be away without anybody's harm."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from headwise import __version__
from headwise.telemetry.traces.tracing import Tracing

_LIBRARY = logging.getLogger("opentelemetry")
_EXPORTERS = "opentelemetry.exporter."


def exported(service: str) -> Tracing:
    """Traces of a service; OpenTelemetry itself reads of its variables where they go, and which are recorded."""
    once = _Once()
    _LIBRARY.handlers, _LIBRARY.propagate = [once], False
    exporter = _Exporter(once.forget)
    ours = Resource.create({SERVICE_NAME: service, SERVICE_VERSION: __version__})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracing(provider, partial(_close, provider, exporter))


def _close(provider: TracerProvider, exporter: OTLPSpanExporter, seconds: float) -> None:
    """Send what is left, in so many seconds: the library itself would wait for half a minute."""
    sending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
    sending.start()
    sending.join(seconds)
    if sending.is_alive():
        exporter.shutdown()


class _Exporter(OTLPSpanExporter):
    """arrived: told whenever spans have."""

    def __init__(self, arrived: Callable[[], None]) -> None:
        super().__init__()
        self._arrived = arrived

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send; blocks the thread of the exporter alone."""
        result = super().export(spans)
        if result is SpanExportResult.SUCCESS:
            self._arrived()
        return result


class _Once(logging.Handler):
    """Passes what the library says on to Python's root logger, each of its sentences once.

    A collector that is away would otherwise fill the log. What the exporter says counts anew when spans have arrived.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told: set[tuple[str, str]] = set()

    def emit(self, record: logging.LogRecord) -> None:
        sentence = record.name, str(record.msg)
        if sentence not in self._told:
            self._told.add(sentence)
            logging.getLogger().handle(record)

    def forget(self) -> None:
        self._told = {(name, words) for name, words in self._told if not name.startswith(_EXPORTERS)}
