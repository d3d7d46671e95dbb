"""Errors as RFC 9457 problem documents."""

import json
from typing import Any

import pytest
from starlette.responses import Response

from headwise.api.rest.problems import problem
from headwise.errors import (
    BackendUnavailableError,
    ConfigurationError,
    HeadConfigError,
    InvalidTensorError,
    ModelNotReadyError,
    NonFiniteOutputError,
    PermissionDeniedError,
    RateLimitedError,
    UnauthenticatedError,
)


def answer(error: BaseException, path: str = "/v1/models/m:classify") -> tuple[Response, dict[str, Any]]:
    response = problem(path, "id-1", error)
    return response, json.loads(bytes(response.body))


def test_all_fields_of_a_document() -> None:
    response, document = answer(InvalidTensorError("input 'x' is int32: the model takes float32 (?, 4)"))
    assert response.headers["content-type"] == "application/problem+json"
    assert document == {
        "type": "urn:headwise:invalid-tensor",
        "title": "invalid tensor",
        "status": 400,
        "detail": "input 'x' is int32: the model takes float32 (?, 4)",
        "instance": "/v1/models/m:classify",
        "code": "invalid-tensor",
        "request_id": "id-1",
        "retryable": False,
    }


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (ModelNotReadyError("loading"), 503, "1"),
        (BackendUnavailableError("down"), 503, "1"),
        (RateLimitedError("often", retry_after=0.2), 429, "1"),
        (RateLimitedError("often", retry_after=59.1), 429, "60"),
        (HeadConfigError("refused"), 503, None),
        (UnauthenticatedError("who"), 401, None),
        (NonFiniteOutputError("row 3"), 502, None),
    ],
)
def test_only_what_time_heals_says_when_to_come_back(error: Exception, status: int, retry_after: str | None) -> None:
    response, document = answer(error)
    assert (response.status_code, document["status"]) == (status, status)
    assert response.headers.get("retry-after") == retry_after
    assert document["retryable"] is (retry_after is not None)


def test_who_shows_no_key_is_told_how_one_is_shown() -> None:
    assert answer(UnauthenticatedError("who"))[0].headers["www-authenticate"] == "Bearer"
    assert "www-authenticate" not in answer(PermissionDeniedError("no"))[0].headers


@pytest.mark.parametrize("error", [ZeroDivisionError("a secret"), ConfigurationError("a secret")])
def test_internal_errors_keep_their_details_to_themselves(error: Exception) -> None:
    response, document = answer(error)
    assert response.status_code == 500
    assert document["detail"] == "an internal error; the log has the details under this request id"
    assert "secret" not in bytes(response.body).decode()
