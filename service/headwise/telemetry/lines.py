"""An event as one line: JSON for machines, or words for people.

Whatever an event holds, a caller's words too, it is one line of printable characters, and no other line looks like it.
"""

from __future__ import annotations

import json
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from functools import lru_cache
from types import TracebackType
from typing import Any

import orjson

Event = MutableMapping[str, Any]

_EVENT_WIDTH = 30
_LEVELS = {"warn": "warning", "exception": "error", "critical": "error"}
_MARK = "  | "
"""Before each line of a traceback, so that none looks like an event."""
_TRACEBACK = "Traceback (most recent call last; what the errors say is left out):"

_DIM, _BOLD, _RED, _YELLOW, _GREEN, _PLAIN = (f"\x1b[{code}m" for code in (2, 1, 31, 33, 32, 0))
_COLOURS = {"debug": _DIM, "info": _GREEN, "warning": _YELLOW, "error": _RED}


def as_json(_: object, level: str, event: Event) -> str:
    """A line for machines."""
    if "exc_info" in event:
        trace = _trace(event.pop("exc_info"))
        if trace:
            event["exception"] = trace
    event["level"] = _LEVELS.get(level, level)
    event["timestamp"] = _stamp()
    line = _as_text(event)
    # Below a space JSON escapes everything itself; asking `isprintable` cost half a microsecond.
    return line if line.isascii() and "\x7f" not in line else _escaped(line)


def for_people(_: object, level: str, event: Event) -> str:
    """A line for people: time, level, event, and the rest as key=value."""
    return _worded(level, event, "", "", "")


def coloured(_: object, level: str, event: Event) -> str:
    """As `for_people`, on a terminal."""
    return _worded(level, event, _COLOURS.get(_LEVELS.get(level, level), ""), _BOLD, _PLAIN)


def _worded(level: str, event: Event, colour: str, bold: str, plain: str) -> str:
    trace = _trace(event.pop("exc_info")) if "exc_info" in event else ""
    name = str(event.pop("event", ""))
    if not name.isprintable():
        name = repr(name)
    for key, value in event.items():
        if type(value) is dict:
            event[key] = _as_text(value)
    rest = " ".join([f"{key}={value}" for key, value in event.items()])
    if rest.count(" ") >= len(event) or not rest.isprintable():
        rest = " ".join([f"{_word(key)}={_word(value)}" for key, value in event.items()])
    known = _LEVELS.get(level, level)
    line = f"{_stamp()} [{colour}{known:<9}{plain}] {bold}{name:<{_EVENT_WIDTH}}{plain} {rest}"
    return line if not trace else "\n".join([line, *(f"{_MARK}{part}" for part in trace.split("\n"))])


def _as_text(value: Mapping[str, Any]) -> str:
    """As JSON has it."""
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # a lone surrogate, an integer of more than 64 bits
        return json.dumps(value, default=str, separators=(",", ":"))


def _word(value: object) -> str:
    """A value as it is, or quoted where it holds more than one word: what a caller sends must not look like a line."""
    text = str(value)
    return text if text.isprintable() and " " not in text and text else repr(text)


def _trace(told: Any) -> str:
    """Where an error came from, and of which kind it and its causes are.

    Their texts are left out: they may quote what a caller sent. Of the system's errors the number says what it was.
    """
    error = told[1] if isinstance(told, tuple) else sys.exc_info()[1] if told is True else told
    parts: list[str] = []
    seen: set[int] = set()
    while isinstance(error, BaseException) and id(error) not in seen:
        seen.add(id(error))
        parts.insert(0, f"{_TRACEBACK}{_frames(error.__traceback__)}\n{_kind(error)}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhich led to, or was being handled at:\n".join(parts)


def _kind(error: BaseException) -> str:
    number = f" (errno {error.errno})" if isinstance(error, OSError) and isinstance(error.errno, int) else ""
    several = f" of {', '.join(map(_kind, error.exceptions))}" if isinstance(error, BaseExceptionGroup) else ""
    return f"{type(error).__module__}.{type(error).__qualname__}{number}{several}"


def _frames(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)
    return "".join(f"\n  {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}" for frame in frames)


def _escaped(line: str) -> str:
    """JSON whose strings have no character that a terminal or a reader of lines would take for more than itself."""
    return _ODD.sub(lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], line)


_ODD = re.compile(r"[^\x20-\x7e]")


def _stamp() -> str:
    now = time.time()
    return f"{_second(int(now))}.{int(now % 1 * 1e6):06d}Z"


@lru_cache(maxsize=4)
def _second(now: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))


LINES: Mapping[str, Callable[[object, str, Event], str]] = {"json": as_json, "console": for_people}
