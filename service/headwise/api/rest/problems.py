"""Errors of headwise's own paths as RFC 9457 problem documents."""

from __future__ import annotations

import math

import orjson
from starlette.responses import Response

from headwise.api.status import retry_after, shown
from headwise.errors import MethodNotAllowedError, UnauthenticatedError
from headwise.telemetry import trail

MEDIA_TYPE = "application/problem+json"


def problem(path: str, request_id: str, error: BaseException) -> Response:
    """The answer to an error at a path; an error that is not a HeadwiseError keeps its details to itself."""
    status, code, detail = shown(error)
    trail.failed(code)
    document = {
        "type": f"urn:headwise:{code}",
        "title": code.replace("-", " "),
        "status": status.http,
        "detail": detail,
        "instance": path,
        "code": code,
        "request_id": request_id,
        "retryable": retry_after(error) is not None,
    }
    return Response(orjson.dumps(document), status.http, headers_of(error), MEDIA_TYPE)


def headers_of(error: BaseException) -> dict[str, str]:
    """What goes with an answer to an error, whatever form its body has."""
    seconds = retry_after(error)
    return {
        **({} if seconds is None else {"Retry-After": str(max(1, math.ceil(seconds)))}),
        **({"Allow": ", ".join(error.allowed)} if isinstance(error, MethodNotAllowedError) else {}),
        **({"WWW-Authenticate": "Bearer"} if isinstance(error, UnauthenticatedError) else {}),
    }
