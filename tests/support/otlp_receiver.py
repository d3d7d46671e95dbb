"""A collector of traces: OTLP over gRPC, in a thread of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True)
class Received:
    """A span, and the name of the service that sent it."""

    service: str
    span: Span

    @property
    def attributes(self) -> Mapping[str, str | int]:
        """Texts and whole numbers."""
        return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in self.span.attributes}


class OtlpReceiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it is sent. address: HOST:PORT."""

    def __init__(self) -> None:
        self.address = ""
        self._received: list[Received] = []
        self._changed = threading.Condition()

    def Export(  # noqa: N802  # the service's name
        self, request: trace_service_pb2.ExportTraceServiceRequest, _: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        """Of OTLP."""
        with self._changed:
            for of in request.resource_spans:
                resource = {one.key: one.value.string_value for one in of.resource.attributes}
                for scope in of.scope_spans:
                    self._received += [Received(resource["service.name"], span) for span in scope.spans]
            self._changed.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    def wait_for(self, trace: str, spans: int, seconds: float = 20) -> Sequence[Received]:
        """The spans of a trace, by their begin, once there are so many."""
        give_up = time.monotonic() + seconds
        with self._changed:
            while len(found := self.of(trace)) < spans:
                left = give_up - time.monotonic()
                assert left > 0, f"{len(found)} spans came: {[one.span.name for one in found]}"
                self._changed.wait(left)
        return found

    def of(self, trace: str) -> Sequence[Received]:
        """The spans of a trace so far, by their begin."""
        found = [one for one in self._received if one.span.trace_id.hex() == trace]
        return sorted(found, key=lambda one: (one.span.start_time_unix_nano, -one.span.end_time_unix_nano))


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """One that listens."""
    receiver = OtlpReceiver()
    server = grpc.server(ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    receiver.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()
