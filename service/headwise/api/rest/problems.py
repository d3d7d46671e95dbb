"""Errors of headwise's own paths as RFC 9457 problem documents."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response

from headwise.api.status import INTERNAL, RETRY_AFTER_SECONDS, status_of
from headwise.errors import HeadwiseError

MEDIA_TYPE = "application/problem+json"
INTERNAL_TEXT = "an internal error; the log has the details under this request id"


def problem(request: Request, error: BaseException) -> Response:
    """The answer to an error; an error that is not a HeadwiseError keeps its details to itself."""
    known = isinstance(error, HeadwiseError)
    status = status_of(error)
    code = error.code if isinstance(error, HeadwiseError) else HeadwiseError.code
    document = {
        "type": f"urn:headwise:{code}",
        "title": code.replace("-", " "),
        "status": status.http,
        "detail": str(error) if known and status is not INTERNAL else INTERNAL_TEXT,
        "instance": request.url.path,
        "code": code,
        "request_id": request.scope.get("headwise.request_id", ""),
        "retryable": status.retry_after,
    }
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status.retry_after else {}
    return Response(orjson.dumps(document), status.http, headers, MEDIA_TYPE)
