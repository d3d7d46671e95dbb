"""Why a body is no strict JSON, in its caller's terms: where a number stands that is none."""

from __future__ import annotations

import math
from typing import Any

import orjson

from headwise.api.rest.tfs import json_text
from headwise.api.shapes import MOST_AXES
from headwise.errors import InvalidRequestError

_DEEPEST = MOST_AXES + 3
"""Names and lists around the numbers of an input."""


def lenient(body: bytes) -> Any:
    """What TensorFlow Serving would read, NaN and Infinity with it; None where it reads nothing either."""
    try:
        return json_text.parse(body)
    except InvalidRequestError:
        return None


def complaint(document: Any, error: orjson.JSONDecodeError) -> str:
    """What is wrong with a body that orjson refuses. document: as `lenient` reads it."""
    found = _not_finite(document, _DEEPEST)
    if found is None:
        return f"the body is no strict JSON: {error}"
    value, *keys = found
    place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in reversed(keys))
    return f"{place.removeprefix('.')} is {_NAMES[str(value)]}: numbers must be finite"


_NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _not_finite(value: Any, depth: int) -> list[Any] | None:
    """The first number that is not finite, and the keys that lead to it, from the last to the first."""
    if isinstance(value, float):
        return None if math.isfinite(value) else [value]
    if not depth or not isinstance(value, dict | list):
        return None
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        found = _not_finite(child, depth - 1)
        if found is not None:
            return [*found, key]
    return None
