"""Errors of headwise's own paths as RFC 9457 problem documents."""

from __future__ import annotations

import orjson
from starlette.responses import Response
from starlette.types import Scope

from headwise.api.status import RETRY_AFTER_SECONDS, shown

MEDIA_TYPE = "application/problem+json"


def problem(scope: Scope, error: BaseException) -> Response:
    """The answer to an error; an error that is not a HeadwiseError keeps its details to itself."""
    status, code, detail = shown(error)
    document = {
        "type": f"urn:headwise:{code}",
        "title": code.replace("-", " "),
        "status": status.http,
        "detail": detail,
        "instance": scope["path"],
        "code": code,
        "request_id": scope["headwise.exchange"].request_id,
        "retryable": status.retry_after,
    }
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status.retry_after else {}
    return Response(orjson.dumps(document), status.http, headers, MEDIA_TYPE)
