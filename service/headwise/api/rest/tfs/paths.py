"""TensorFlow Serving's paths: method and target, as they came, to a call or to the answer that refuses it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import unquote

from headwise.api.numbers import whole_number
from headwise.api.rest.tfs.answers import EMPTY_PAGE_TYPE, JSON_TYPE, Answer, error, page
from headwise.repository.model_spec import ModelSpec
from headwise.repository.sources import MAX_VERSION

Verb = Literal["predict", "classify", "regress", "status", "metadata"]

_MODEL = r"(?P<name>[^/:]+)"
_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PATHS: Mapping[str, re.Pattern[str]] = {
    method: re.compile(pattern, re.IGNORECASE | re.ASCII)
    for method, pattern in {
        "POST": rf"/v1/models/{_MODEL}{_VERSION}:(?-i:(?P<verb>predict|classify|regress))",
        # /METADATA is a path of TFS's too, and asks for the status.
        "GET": rf"/v1/models(?:/{_MODEL})?{_VERSION}(?:/(?-i:(?P<verb>metadata))|/metadata)?",
    }.items()
}
"""The words of a path may be written in any case, the verbs may not."""

_METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"})
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Call:
    """What a path asks for; the signature is named in the body."""

    verb: Verb
    spec: ModelSpec


def resolve(method: str, target: str, origin: str = "") -> Call | Answer:
    """Read a request line. target: path and query string, undecoded; TFS takes both together as the path."""
    answer = _without_api(method, target, origin)
    if answer is not None:
        return answer
    found = _PATHS[method].fullmatch(target) if method in _PATHS else None
    if found is None:
        return error(400, f"Malformed request: {method} {target}")
    if found["name"] is None:
        return error(400, "Missing model name in request.")
    version = None if found["version"] is None else whole_number(found["version"])
    if found["version"] is not None and (version is None or version > MAX_VERSION):
        return Answer(400, b"", JSON_TYPE)
    label = None if found["label"] is None else _decoded(found["label"])
    return Call(cast(Verb, found["verb"] or "status"), ModelSpec(_decoded(found["name"]), version, label))


def _without_api(method: str, target: str, origin: str) -> Answer | None:
    """What TFS's HTTP server answers by itself."""
    if _BROKEN_ESCAPE.search(target):
        return page(400)
    if not target.lower().startswith("/v1/"):
        return page(404)
    if method not in _METHODS:
        return page(501)
    if method == "OPTIONS":
        return Answer(200 if origin.startswith(("http://", "https://")) else 400, b"", EMPTY_PAGE_TYPE)
    if method == "HEAD":
        return Answer(400, b"", JSON_TYPE)
    return None


def _decoded(part: str) -> str:
    return unquote(part, errors="replace")
