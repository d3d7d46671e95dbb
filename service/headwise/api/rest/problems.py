"""Errors of headwise's own paths as RFC 9457 problem documents."""

from __future__ import annotations

import orjson
from starlette.responses import Response

from headwise.api.status import RETRY_AFTER_SECONDS, shown
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
        "retryable": status.retry_after,
    }
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status.retry_after else {}
    return Response(orjson.dumps(document), status.http, headers, MEDIA_TYPE)
