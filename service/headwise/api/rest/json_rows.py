"""Many rows that are objects: too many names for arrays, but they can be read a few at a time."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

import orjson

from headwise.api.rest.json_numbers import BLOCK_BYTES

_BEGIN = re.compile(rb'"instances"[ \t\n\r]*:[ \t\n\r]*\[[ \t\n\r]*(?=\{)')
_BETWEEN = re.compile(rb"\}[ \t\n\r]*,[ \t\n\r]*(?=\{)")
_END = re.compile(rb"\}[ \t\n\r]*\]")
_EDGE_BYTES = 64 * 1024
"""Within so many bytes `instances` must begin, and end: what stands around it is short."""


def parse(body: bytes) -> dict[str, Any] | None:
    """The document of a body with objects in `instances`; None where it is another, or is no JSON."""
    begun = _BEGIN.search(body, 0, _EDGE_BYTES)
    ends = list(_END.finditer(body, max(begun.end(), len(body) - _EDGE_BYTES))) if begun else []
    if not begun or not ends:
        return None
    # No text of a caller is the same.
    sign = secrets.token_hex(16)
    # A row ends in }, which stays with the rows.
    start, stop = begun.end(), ends[-1].start() + 1
    try:
        rest = orjson.loads(b"".join((body[:start], b'"', sign.encode(), b'"', body[stop:])))
        if not isinstance(rest, dict) or rest.get("instances") != [sign]:
            return None
        rest["instances"] = [row for part in _parts(body, start, stop) for row in _rows(part)]
    except ValueError:
        return None
    return rest


def _rows(part: bytes) -> list[Any]:
    """Some rows, read as deep as they stand in the body.

    Raises: ValueError.
    """
    rows: list[Any]
    (rows,) = orjson.loads(b"[[%b]]" % part)
    return rows


def _parts(body: bytes, start: int, stop: int) -> Iterator[bytes]:
    """Some rows at a time, cut at `},{`: wherever that stands, two lists of values on its sides are one list."""
    while start < stop:
        cut = _BETWEEN.search(body, start + BLOCK_BYTES, stop)
        yield body[start : cut.start() + 1 if cut else stop]
        start = cut.end() if cut else stop
        time.sleep(0)  # as json_numbers does
