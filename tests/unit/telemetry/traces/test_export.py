"""A collector that is away, or hangs, harms nobody, and is told once."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support.otlp_receiver import otlp_receiver
from support.ports import free_port
from support.python_program import run

PROGRAM = """
import time
from headwise.telemetry import logs
from headwise.telemetry.requests import Answered
from headwise.telemetry.traces.start import start
logs.configure("json", "debug")
tracing = start("headwise")
for number in range(3000):
    told = tracing.grpc("S/M", {"traceparent": f"00-{1:032x}-{1:016x}-01"}, 0.0)
    told.trace.end(Answered("m", "m", "OK", 0.0, 1.0, "id-1", "S/M", trail=told))
began = time.monotonic()
tracing.close(0.5)
print(time.monotonic() - began)
"""


@contextmanager
def hanging() -> Iterator[str]:
    """The address of somebody who takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def away() -> Iterator[str]:
    yield f"127.0.0.1:{free_port()}"


@pytest.mark.parametrize("collector", [hanging, away])
def test_an_end_does_not_wait_for_a_collector(collector: Any) -> None:
    with collector() as address:
        done = run(PROGRAM, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{address}", OTEL_BSP_MAX_QUEUE_SIZE="10000")
    assert float(done.stdout) < 1.5
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert len({line["event"] for line in told}) == len(told)
    assert {line["level"] for line in told} <= {"warning", "error"}


def test_what_is_left_is_sent_at_the_end() -> None:
    with otlp_receiver() as receiver:
        endpoint = f"http://{receiver.address}"
        done = run(PROGRAM, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_BSP_MAX_QUEUE_SIZE="10000")
        assert done.stderr == ""
        assert len(receiver.of(f"{1:032x}")) == 3000


def test_spans_that_find_no_room_are_told_once() -> None:
    with otlp_receiver() as receiver:
        done = run(
            PROGRAM,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{receiver.address}",
            OTEL_BSP_MAX_QUEUE_SIZE="16",
            OTEL_BSP_MAX_EXPORT_BATCH_SIZE="16",
        )
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["Queue full, dropping Span."]


FLAPPING = """
import logging
from headwise.telemetry import logs
from headwise.telemetry.traces import export
logs.configure("json", "debug")
export.exported("headwise").close(0.1)
(once,) = logging.getLogger("opentelemetry").handlers
for _ in range(2):
    for number in range(3):
        logging.getLogger("opentelemetry.exporter.x").warning("away for %s", number)
        logging.getLogger("opentelemetry.sdk.x").warning("full")
    once.forget()
"""


def test_a_collector_that_comes_back_and_leaves_again_is_told_again() -> None:
    done = run(FLAPPING)
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["away for 0", "full", "away for 0"]
