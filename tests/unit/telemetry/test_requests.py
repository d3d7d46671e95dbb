"""Requests are counted, timed and told once each, at once or when the loop's turn ends."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from headwise.telemetry.metric_table import OTHER, REFUSALS
from headwise.telemetry.metrics import Metrics
from headwise.telemetry.requests import LONGEST, Answered, Requests
from headwise.telemetry.trail import STAGES, Stages, Trail

pytestmark = pytest.mark.anyio


def answered(model: str = "tumor", status: int = 200, path: str | None = "/p", trail: Trail | None = None) -> Answered:
    return Answered("classify", model, status, 10.0, 0.004, "id-1", "POST", path, trail)


def told(request: Answered) -> dict[str, Any]:
    """Its line, as it is without what every line has."""
    log, _ = requests()
    with capture_logs() as lines:
        log.answered(request)
    return dict(lines[0])


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
            "model": "tumor",
            "path": "/p",
            "request_id": "id-1",
            "status": 200,
            "surface": "http",
            "verb": "classify",
        }
    ]


def test_a_quiet_request_is_for_those_who_debug() -> None:
    log, _ = requests()
    with capture_logs() as lines:
        log.answered(answered(path=None), quiet=True)
    assert (lines[0]["log_level"], "path" in lines[0]) == ("debug", False)


def test_a_line_says_who_answered_and_what_was_decided() -> None:
    trail = Trail()
    trail.answered(3, 2, {"output_0": {"malignant": 2}}, {"other_head": 1})
    line = told(answered(trail=trail))
    assert (line["version"], line["rows"]) == (3, 2)
    assert (line["decided"], line["abstained"]) == ({"output_0": {"malignant": 2}}, {"other_head": 1})
    assert "code" not in line


def test_a_line_says_which_error_and_leaves_out_what_is_not_known() -> None:
    trail = Trail()
    trail.code = "model-not-found"
    line = told(answered(model="", status=404, trail=trail))
    assert line["code"] == "model-not-found"
    assert not {"model", "version", "rows", "decided", "abstained"} & line.keys()


def test_of_many_labels_the_five_most_frequent_are_told_and_the_others_summed() -> None:
    trail = Trail()
    counts = {"a": 1, "b": 7, "c": 6, "d": 5, "e": 4, "f": 3, "g": 1}
    trail.answered(1, 27, {"many": counts, "few": {"x": 27}})
    assert told(answered(trail=trail))["decided"] == {
        "many": {"b": 7, "c": 6, "d": 5, "e": 4, "f": 3, "other": 2},
        "few": {"x": 27},
    }


def test_a_label_called_other_keeps_its_count_among_the_others() -> None:
    trail = Trail()
    trail.answered(1, 27, {"h": {"other": 9, "b": 7, "c": 6, "d": 5, "e": 4, "f": 3}})
    assert told(answered(trail=trail))["decided"] == {"h": {"other": 12, "b": 7, "c": 6, "d": 5, "e": 4}}


def test_what_a_caller_chooses_is_cut() -> None:
    line = told(answered(model="m" * 10_000, path="/" * 10_000))
    assert line["model"] == "m" * LONGEST + "…"
    assert line["path"] == "/" * LONGEST + "…"
    exact = told(answered(model="m" * LONGEST, path="/" * LONGEST))
    assert (len(exact["model"]), len(exact["path"])) == (LONGEST, LONGEST)


def test_the_stages_of_an_answered_request_add_up() -> None:
    log, metrics = requests()
    trail = Trail()
    trail.stages = Stages(taken=10.0005, queue=0.0005, backend=0.0015, head=0.0003, done=10.0028)
    for request in (answered(trail=trail), answered(status=503, trail=Trail()), answered()):
        log.answered(request)
    sums = {
        stage: metrics.registry.get_sample_value(
            "headwise_stage_duration_seconds_sum", {"stage": stage, "model": "tumor"}
        )
        for stage in STAGES
    }
    expected = {"parse": 0.0005, "queue": 0.0005, "backend": 0.0015, "head": 0.0003, "encode": 0.0012}
    assert sums == {stage: pytest.approx(seconds) for stage, seconds in expected.items()}
    assert sum(expected.values()) == pytest.approx(0.004)


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


def test_who_is_refused_at_the_door_is_counted_by_the_code() -> None:
    log, metrics = requests()
    for code in ("rate-limited", "unauthenticated", "rate-limited", "model-not-found", None):
        trail = Trail()
        trail.code = code
        log.answered(answered(trail=trail))
    log.answered(answered())
    refused = {
        reason: metrics.registry.get_sample_value("headwise_refusals_total", {"reason": reason}) for reason in REFUSALS
    }
    assert {reason: count for reason, count in refused.items() if count} == {"rate-limited": 2, "unauthenticated": 1}
