"""What form an error takes: that of its path."""

from __future__ import annotations

import re
from enum import Enum, auto

from starlette.responses import Response

from headwise.api.rest.problems import problem
from headwise.api.rest.tfs.routes import refusal, to_response
from headwise.api.rest.v2.routes import refused


class Form(Enum):
    """PROBLEM is headwise's own."""

    PROBLEM = auto()
    TFS = auto()
    V2 = auto()


_OURS = re.compile(r"/v1/models|/v1/models/.*(:classify|/head|/reliability)", re.DOTALL)
"""Of the paths under /v1 headwise's own; the others are TensorFlow Serving's."""


def form_of(path: str) -> Form:
    """The form of all errors at a path, but of a call to `:classify` that its body makes TensorFlow Serving's."""
    if path == "/v2" or path.startswith("/v2/"):
        return Form.V2
    return Form.TFS if path.lower().startswith("/v1/") and _OURS.fullmatch(path) is None else Form.PROBLEM


def refusal_at(path: str, request_id: str, error: Exception) -> Response:
    """The error as the callers of a path read it."""
    match form_of(path):
        case Form.V2:
            return refused(error)
        case Form.TFS:
            return to_response(refusal(error))
        case Form.PROBLEM:
            return problem(path, request_id, error)
