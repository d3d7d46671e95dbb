"""A JSON body as the document that it holds, with the long lists of numbers of a large one as arrays."""

from __future__ import annotations

import re
import secrets
from typing import Any

import orjson

from headwise.api.rest import json_numbers, json_rows
from headwise.api.rest.json_numbers import Span

LARGE_BYTES = 64 * 1024
"""From here on arrays are cheaper than lists, and a thread is worth its price."""

_LONG_BYTES = 4 * 1024
_MOST_TEXTS = 4096
"""Texts (names among them) that are looked at on the way to a list; what follows more of them is read by orjson."""

_VALUE = re.compile(rb"[ \t\n\r]*:[ \t\n\r]*(?=\[)")


def parse(body: bytes) -> Any:
    """What orjson.loads gives, but for the long lists of numbers in `instances` and `inputs`: they are Numbers.

    Raises: orjson.JSONDecodeError, as orjson.loads does.
    """
    if len(body) < LARGE_BYTES:
        return orjson.loads(body)
    found = _spans(body)
    document = _parsed(body, found) if found else json_rows.parse(body)
    return orjson.loads(body) if document is None else document


def _parsed(body: bytes, spans: list[Span]) -> dict[str, Any] | None:
    """The document, if all lists that were found are where arrays are expected, and it is one."""
    sign = secrets.token_hex(16)  # no text of a caller is the same
    names = {f"{sign}{number}": span for number, span in enumerate(spans)}
    try:
        document = orjson.loads(_without(body, names))
        if not isinstance(document, dict):
            return None
        values = {name: json_numbers.read(span) or json_numbers.lists(span) for name, span in names.items()}
    except ValueError:
        # orjson is asked again: it names the place in the whole body.
        return None
    used = sum(_fill(document, form, values, depth=2) for form in ("instances", "inputs") if form in document)
    return document if used == len(spans) else None


def _without(body: bytes, names: dict[str, Span]) -> bytes:
    """The body with a text in the place of each list."""
    pieces, at = [], 0
    for name, span in names.items():
        pieces += [body[at : span.start], b'"', name.encode(), b'"']
        at = span.stop
    return b"".join((*pieces, body[at:]))


def _fill(parent: Any, key: Any, values: dict[str, Any], *, depth: int) -> int:
    """Put the lists back where their texts stand, at most `depth` below; how many they were."""
    value = parent[key]
    if isinstance(value, str):
        parent[key] = values.get(value, value)
        return int(value in values)
    if not depth or not isinstance(value, dict | list):
        return 0
    places = value if isinstance(value, dict) else range(len(value))
    return sum(_fill(value, at, values, depth=depth - 1) for at in places)


def _spans(body: bytes) -> list[Span]:
    """The long lists that are values of members and hold no text and no object, as far as brackets were counted."""
    found, at = [], 0
    for _ in range(_MOST_TEXTS):
        quote = body.find(b'"', at)
        end = quote if quote >= 0 else len(body)
        if end - at >= _LONG_BYTES and (span := _list(body, at, end)):
            found.append(span)
        if quote < 0:
            break
        at = _behind_text(body, quote)
    return found


def _list(body: bytes, start: int, stop: int) -> Span | None:
    """The list between two texts, if one begins there; whatever follows it stays in the body."""
    begun = _VALUE.match(body, start, stop)
    if begun is None:
        return None
    brace = body.find(b"}", begun.end(), stop)
    end = body.rfind(b"]", begun.end(), stop if brace < 0 else brace) + 1
    return Span(body, begun.end(), end) if end else None


def _behind_text(body: bytes, quote: int) -> int:
    """Where a text ends; at the body's end if it does not."""
    at = quote + 1
    while (end := body.find(b'"', at)) >= 0:
        before = body[at:end]
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
            return end + 1
        at = end + 1
    return len(body)
