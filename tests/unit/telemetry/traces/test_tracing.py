"""What begins spans, of requests and in a model server."""

import time

import pytest

from headwise.telemetry.requests import Answered
from headwise.telemetry.traces.trace import SharedCall, moments
from headwise.telemetry.trail import Trail
from support.spans import SAMPLED, SPAN, TRACE, UNSAMPLED, Spans, add_up, apart, ids, said

METHOD = "tensorflow.serving.PredictionService/Predict"


def request(spans: Spans, traceparent: str = SAMPLED) -> Trail:
    """One that begins at the moment 10."""
    return spans.tracing.grpc("S/M", {"traceparent": traceparent}, 10.0)


def test_moments_are_those_of_the_world() -> None:
    wall = moments()
    assert abs(wall(time.perf_counter()) - time.time_ns()) < 50_000_000
    assert wall(10.5) - wall(10.0) == 500_000_000


@apart
def test_stages_are_made_of_moments_and_leave_no_gap() -> None:
    spans = Spans()
    told = request(spans)
    assert told.trace is not None
    call = SharedCall([told.trace], rows=2, requests=1, sent=10.1 + 1e-7)
    call.end(10.2 + 1e-7)
    told.travelled(10.1 - 1e-7, 10.1 + 1e-7, 10.2 + 1e-7)
    assert told.stages is not None
    ended = told.stages.done + 0.25
    told.trace.end(Answered("m", "m", "OK", 10.0, ended - 10.0, "id-1", "S/M", trail=told))
    root = spans.only_root()
    assert add_up(root, spans.stages(root))
    parse, queue = spans.stages(root)[:2]
    assert (parse.end_time or 0) - (parse.start_time or 0) == pytest.approx(0.1e9, abs=200)
    assert (queue.end_time or 0) - (queue.start_time or 0) == pytest.approx(200, abs=20)


@apart
def test_a_request_that_is_not_recorded_keeps_nothing() -> None:
    spans = Spans()
    told = request(spans, UNSAMPLED)
    assert told.trace is not None
    told.travelled(10.1, 10.2, 10.3)
    told.trace.end(Answered("m", "m", "OK", 10.0, 1.0, "id-1", "S/M", trail=told))
    assert spans.all == ()
    assert told.trace.ids[0] == TRACE


def test_a_model_server_goes_on_with_its_callers_trace() -> None:
    spans = Spans()
    with spans.tracing.serving(METHOD, {"traceparent": SAMPLED}) as served:
        served.status = "OK"
    (span,) = spans.all
    assert (span.name, span.kind.name, ids(span)[0]) == (METHOD, "SERVER", TRACE)
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == SPAN
    assert said(span) == {"rpc.system.name": "grpc", "rpc.method": METHOD, "rpc.response.status_code": "OK"}


@pytest.mark.parametrize("metadata", [{}, {"traceparent": UNSAMPLED}, {"traceparent": "nonsense"}])
def test_a_model_server_begins_no_trace(metadata: dict[str, str]) -> None:
    spans = Spans()
    with spans.tracing.serving(METHOD, metadata):
        pass
    assert spans.all == ()


def serve_and_fail(spans: Spans, status: str | None) -> None:
    with spans.tracing.serving(METHOD, {"traceparent": SAMPLED}) as served:
        if status is not None:
            served.status = status
        raise ValueError("secret")


@pytest.mark.parametrize(("status", "ended"), [("NOT_FOUND", "UNSET"), ("INTERNAL", "ERROR"), (None, "ERROR")])
def test_how_a_call_ended_is_told_and_not_in_the_errors_words(status: str | None, ended: str) -> None:
    spans = Spans()
    with pytest.raises(ValueError, match="secret"):
        serve_and_fail(spans, status)
    (span,) = spans.all
    assert said(span)["rpc.response.status_code"] == (status or "UNKNOWN")
    assert span.status.status_code.name == ended
    assert "secret" not in span.to_json()


@apart
def test_a_call_that_nobodys_request_caused_is_no_span() -> None:
    spans = Spans()
    with spans.tracing.calling("ModelService/GetModelStatus", "models:8500") as metadata:
        assert metadata is None
    assert spans.all == ()
