"""Whether an HTTP request is let in, and how it is told that it is not."""

from __future__ import annotations

import re

from starlette.responses import Response
from starlette.types import Scope

from headwise.access.access import Access
from headwise.access.caller import presented
from headwise.api.rest.content import RequestHeaders
from headwise.api.rest.documentation import DOCUMENT, PAGE
from headwise.api.rest.operations import OPERATIONS
from headwise.api.rest.problems import problem
from headwise.api.rest.tfs.routes import refusal, to_response
from headwise.api.rest.v2.routes import LIVE, READY, refused
from headwise.errors import HeadwiseError

ADMITTED = "headwise.admitted"
"""In a scope: it was let in already, and counted."""

OPEN = frozenset({*(one.path for one in OPERATIONS if one.open), LIVE, READY, PAGE, DOCUMENT})
"""What anybody may ask: health, of which nobody unknown learns a name, and pages that are the same for everyone."""

_CALL = re.compile(
    r"/v[12]/models/(?P<model>[^/:]+)(?:/versions/[^/:]+|/labels/[^/:]+)?"
    r"[:/](?P<verb>classify|predict|regress|metadata|head|reliability|infer)"
)

_OURS = re.compile(r"/v1/models|/v1/models/.*(:classify|/head|/reliability)", re.DOTALL)
"""Of the paths under /v1 those whose errors are problem documents; the others are TensorFlow Serving's."""


def about(path: str) -> tuple[str, str]:
    """What a request is about that is refused at the door: verb and model, empty where its path has none."""
    found = _CALL.fullmatch(path)
    return (found["verb"], found["model"]) if found else ("", "")


def admit(access: Access, scope: Scope, headers: RequestHeaders) -> None:
    """Let a request in; what is open lets everybody in, and hears who it is all the same.

    Raises: UnauthenticatedError, RateLimitedError.
    """
    credentials = presented(headers.find(b"authorization"), headers.find(b"x-api-key"))
    if scope["path"] in OPEN:
        access.show(credentials)
    else:
        access.admit(credentials)


def refusal_at(path: str, request_id: str, error: HeadwiseError) -> Response:
    """The error in the form of its path."""
    if path.startswith("/v2"):
        return refused(error)
    if path.lower().startswith("/v1/") and _OURS.fullmatch(path) is None:
        return to_response(refusal(error))
    return problem(path, request_id, error)
