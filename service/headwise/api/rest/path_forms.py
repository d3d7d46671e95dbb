"""Which of few forms a request's path has, known before the router or without it."""

from __future__ import annotations

import re
from functools import lru_cache

from starlette.routing import Route
from starlette.types import Scope

from headwise.repository.model_spec import ModelSpec

VERSION = "[0-9]{1,4300}"
"""Digits that Python makes a number of; of longer ones TensorFlow Serving's paths know what to say."""
NAME = "[^/:]+"
"""In a path of TensorFlow Serving's: what is asked of it stands behind a colon."""

_CLASSIFY = re.compile(
    rf"/v1/models/(?P<model>{NAME})(?:/versions/(?P<version>{VERSION})|/labels/(?P<label>{NAME}))?:classify"
)


@lru_cache(maxsize=1024)
def classified(path: str) -> ModelSpec | None:
    """The model of a path that the router would bring to `classify`."""
    found = _CLASSIFY.fullmatch(path)
    if found is None:
        return None
    return ModelSpec(found["model"], int(found["version"]) if found["version"] else None, found["label"])


def route_of(scope: Scope) -> str | None:
    """The form as the documentation has it, for who asks after the router, or before it for `classify`; else None."""
    found = scope.get("route")
    if isinstance(found, Route):
        return found.path_format
    spec = classified(scope["path"]) if scope["method"] == "POST" else None
    if spec is None:
        return None
    which = "" if spec.version is None else "/versions/{version}"
    return f"/v1/models/{{model}}{'/labels/{label}' if spec.label is not None else which}:classify"
