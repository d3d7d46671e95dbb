"""A long list of numbers in a JSON text becomes an array, without an object of Python's for each number."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import orjson
import simdjson
from numpy.typing import NDArray

from headwise.api.shapes import MOST_AXES

BLOCK_BYTES = 64 * 1024
"""What is parsed at once: it fits into the caches of a core."""

_HAND_OVER_BYTES = 4 * BLOCK_BYTES
"""Half a millisecond: other threads wait no longer. It costs 15 microseconds."""

_MARKS = b"[],"
_OTHERS = bytes(set(range(256)) - set(_MARKS))

_DEEPEST = 1000
"""orjson refuses what is nested 1024 deep."""

_REFUSALS = (ValueError, TypeError, RuntimeError)
"""simdjson's classes for what is no JSON, no number, or beyond 64 bits."""


class Span(NamedTuple):
    """Where a list stands in a body: from its first bracket to behind its last."""

    body: bytes
    start: int
    stop: int


class _Block(NamedTuple):
    """A part of a list as a list of its own. marks: its brackets and commas; depth: of lists open at its start."""

    text: bytes
    marks: bytes
    depth: int


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """A list of numbers, nested like an array. array: float64, or int64 where every number is written as an integer."""

    array: NDArray[Any]
    span: Span


def array(value: Any) -> NDArray[Any] | None:
    """The array that a value is, or that rows of equal shapes are together; None if some of it is none."""
    if isinstance(value, Numbers):
        return value.array
    if not isinstance(value, list) or not value or not all(isinstance(row, Numbers) for row in value):
        return None
    rows = [row.array for row in value]
    one_more = rows[0].ndim < MOST_AXES and len({row.shape for row in rows}) == 1
    return np.stack(rows) if one_more else None


def plain(value: Any) -> Any:
    """A value with lists in the place of Numbers: what orjson made of it."""
    if isinstance(value, Numbers):
        return lists(value.span)
    if isinstance(value, list) and any(isinstance(row, Numbers) for row in value):
        return [plain(row) for row in value]
    return value


def read(span: Span) -> Numbers | None:
    """The numbers of a list; None where it holds anything else, is no array, or is no JSON."""
    parser, kind = simdjson.Parser(), "i"
    parts: list[NDArray[Any]] = []
    marks = []
    try:
        for block in _blocks(span):
            parsed = parser.parse(block.text)
            assert isinstance(parsed, simdjson.Array)
            part, kind = _flat(parsed, kind)
            del parsed  # the parser reads no further block while it lives
            parts.append(part)
            marks.append(block.marks)
    except _REFUSALS:
        return None
    array = np.concatenate(parts)
    shape = _shape(b",".join(marks))
    # An empty list has the marks of a list of one number: the count tells them apart.
    if shape is None or math.prod(shape) != array.size:
        return None
    return Numbers(array.reshape(shape), span)


def _flat(block: simdjson.Array, kind: str) -> tuple[NDArray[Any], str]:
    """The numbers of a block, and how they are kept: whole ("i") as long as all of them are."""
    if kind == "i":
        try:
            return np.frombuffer(block.as_buffer(of_type="i"), np.int64), kind
        except _REFUSALS:
            pass
    return np.frombuffer(block.as_buffer(of_type="d"), np.float64), "d"


def leaves(numbers: Numbers) -> Iterator[list[int | float]]:
    """The numbers as orjson reads them, in their order, block by block."""
    for block in _blocks(numbers.span):
        level = orjson.loads(block.text)
        for _ in numbers.array.shape[1:]:
            level = list(chain.from_iterable(level))
        yield level


def lists(span: Span) -> list[Any]:
    """A list without texts and objects as orjson reads it, block by block.

    Raises: orjson.JSONDecodeError, whose place is one in a block.
    """
    whole: list[Any] = []
    for block in _blocks(span):
        if _deepest(block) > _DEEPEST:
            raise ValueError("nested too deep to be sure that orjson reads it as part of the body, too")
        part = orjson.loads(block.text)
        if block.depth:
            _join(whole, part, block.depth)
        else:
            whole = part
    return whole


def _deepest(block: _Block) -> int:
    marks = np.frombuffer(block.marks, np.uint8)
    return block.depth + int(np.cumsum((marks == ord("[")).astype(np.int32) - (marks == ord("]"))).max(initial=0))


def _join(left: list[Any], right: list[Any], depth: int) -> None:
    """Put together what was cut at a comma within `depth` lists.

    Raises: ValueError for a comma with no value before or behind it.
    """
    if not left or not right:
        raise ValueError("a value is missing beside a comma")
    if depth > 1:
        _join(left[-1], right[0], depth - 1)
        del right[0]
    left.extend(right)


def _blocks(span: Span) -> Iterator[_Block]:
    """Cut a list at commas; each part is closed where lists are open.

    The list is JSON if and only if all parts are, and values stand on both sides of each cut.

    Raises: ValueError where brackets do not match.
    """
    body, start, stop = span
    depth, handed_over = 0, start
    while start < stop:
        cut = body.find(b",", start + BLOCK_BYTES, stop)
        end = stop if cut < 0 else cut
        piece = body[start:end]
        marks = piece.translate(None, _OTHERS)
        after = depth + marks.count(b"[") - marks.count(b"]")
        if not (0 < after <= MOST_AXES if end < stop else after == 0):
            raise ValueError("brackets do not match, or stand deeper than any array")
        yield _Block(b"".join((b"[" * depth, piece, b"]" * after)), marks, depth)
        start, depth = end + 1, after
        if start - handed_over >= _HAND_OVER_BYTES:
            # Let go of the interpreter's lock: who waits for it would otherwise wait for sys.getswitchinterval(), 5 ms.
            time.sleep(0)
            handed_over = start


def _shape(marks: bytes) -> tuple[int, ...] | None:
    """The shape of which these are the brackets and commas, if there is one.

    The first list of each depth suggests it; an array of that shape has exactly one sequence of marks.
    """
    axes = len(marks) - len(marks.lstrip(b"["))
    if not 0 < axes <= MOST_AXES:
        return None
    shape: list[int] = []
    unit = b""
    for closed in range(1, axes + 1):
        # From the bracket that opens the first list of this depth to behind the one that closes it.
        end = marks.find(b"]" * closed) + closed if closed < axes else len(marks)
        length = end - (axes - closed)
        size, rest = divmod(length - 1, len(unit) + 1)
        if size < 1 or rest:
            return None
        unit = b"".join((b"[", (unit + b",") * (size - 1), unit, b"]"))
        shape.insert(0, size)
    return tuple(shape) if unit == marks else None
