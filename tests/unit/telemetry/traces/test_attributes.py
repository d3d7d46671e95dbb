"""What spans say: by OpenTelemetry's conventions, bounded, and which statuses are failures of whom."""

import pytest

from headwise.telemetry.requests import LONGEST, Answered
from headwise.telemetry.traces import attributes
from headwise.telemetry.trail import Trail


def answered(status: int | str, code: str | None = None, path: str | None = "/p") -> Answered:
    trail = Trail()
    trail.code = code
    return Answered("classify", "m", status, 10.0, 0.004, "id-1", "POST", path, trail)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (200, None, None),
        (404, "model-not-found", None),
        (499, None, None),
        (500, None, "500"),
        (503, "overloaded", "overloaded"),
        ("OK", None, None),
        ("INVALID_ARGUMENT", "invalid-tensor", None),
        ("RESOURCE_EXHAUSTED", "rate-limited", None),
        ("CANCELLED", None, None),
        ("UNAVAILABLE", "backend-unavailable", "backend-unavailable"),
        ("DEADLINE_EXCEEDED", "backend-timeout", "backend-timeout"),
        ("INTERNAL", None, "INTERNAL"),
    ],
)
def test_a_failure_is_what_the_service_did_not_do(status: int | str, code: str | None, kind: str | None) -> None:
    assert attributes.failure(answered(status, code)) == kind


def test_what_is_not_known_is_left_out() -> None:
    known = {"headwise.request_id": "id-1", "headwise.verb": "other"}
    bare = Answered("other", "", 404, 10.0, 0.004, "id-1", "GET", "/p")
    assert attributes.of_answer(bare) == {"http.response.status_code": 404, **known}
    rpc = Answered("other", "", "NOT_FOUND", 10.0, 0.004, "id-1", "S/M")
    assert attributes.of_answer(rpc) == {"rpc.response.status_code": "NOT_FOUND", **known}


def test_what_a_caller_chooses_is_cut_and_names_no_span() -> None:
    method = "M" * 10_000
    told = attributes.of_http(method, "/" * 10_000, "http", None)
    assert told["http.request.method"] == "_OTHER"
    assert {len(told[name]) for name in ("http.request.method_original", "url.path")} == {LONGEST}
    assert attributes.http_name(method, None) == "HTTP"
    long = Answered("classify", "m" * 10_000, 404, 10.0, 0.004, "id-1", "POST", "/p")
    assert attributes.of_answer(long)["headwise.model"] == "m" * LONGEST


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("models:8500", {"server.address": "models", "server.port": 8500}),
        ("[::1]:8500", {"server.address": "::1", "server.port": 8500}),
        ("unix:/run/s.sock", {"server.address": "/run/s.sock", "network.transport": "unix"}),
    ],
)
def test_a_model_server_is_named_by_where_it_listens(target: str, told: dict[str, str | int]) -> None:
    assert attributes.of_target(target) == told
