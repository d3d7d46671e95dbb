"""Requests are counted, timed and told once each, at once or when the loop's turn ends."""

import asyncio

import pytest
from structlog.testing import capture_logs

from headwise.telemetry.metrics import OTHER, Metrics
from headwise.telemetry.requests import Answered, Requests

pytestmark = pytest.mark.anyio


def answered(model: str = "tumor", status: int = 200, path: str | None = "/p") -> Answered:
    return Answered("classify", model, status, 0.004, "id-1", "POST", path)


def requests() -> tuple[Requests, Metrics]:
    metrics = Metrics()
    return Requests("http", metrics, lambda name: name == "tumor"), metrics


def counted(metrics: Metrics, model: str, status: str = "200") -> float | None:
    labels = {"surface": "http", "verb": "classify", "model": model, "status": status}
    return metrics.registry.get_sample_value("headwise_requests_total", labels)


def test_a_request_is_counted_timed_and_told() -> None:
    log, metrics = requests()
    with capture_logs() as lines:
        log.answered(answered())
    assert counted(metrics, "tumor") == 1
    series = {"surface": "http", "verb": "classify", "model": "tumor"}
    assert metrics.registry.get_sample_value("headwise_request_duration_seconds_sum", series) == 0.004
    assert lines == [
        {
            "event": "request",
            "log_level": "info",
            "method": "POST",
            "milliseconds": 4.0,
            "path": "/p",
            "request_id": "id-1",
            "status": 200,
        }
    ]


def test_a_quiet_request_is_for_those_who_debug() -> None:
    log, _ = requests()
    with capture_logs() as lines:
        log.answered(answered(path=None), quiet=True)
    assert (lines[0]["log_level"], "path" in lines[0]) == ("debug", False)


async def test_those_of_a_turn_are_written_when_it_ends() -> None:
    log, metrics = requests()
    with capture_logs() as lines:
        for model, status in (("tumor", 200), ("tumor", 503), ("tumor", 200), ("unknown", 404)):
            log.answered_soon(answered(model, status))
        assert (lines, counted(metrics, "tumor")) == ([], None)
        await asyncio.sleep(0)
    assert [line["status"] for line in lines] == [200, 503, 200, 404]
    assert (counted(metrics, "tumor"), counted(metrics, "tumor", "503")) == (2, 1)
    assert counted(metrics, OTHER, "404") == 1
    with capture_logs() as lines:
        log.answered_soon(answered())
        await asyncio.sleep(0)
    assert len(lines) == 1
