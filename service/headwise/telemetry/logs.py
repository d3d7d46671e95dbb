"""One structured line an event, on standard error."""

from __future__ import annotations

import asyncio
import atexit
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from functools import lru_cache
from typing import Any, Literal, TextIO

import orjson
import structlog

Event = MutableMapping[str, Any]

_EVENT_WIDTH = 30

_PATIENCE = 0.01
"""Seconds that a line may wait for others."""


def configure(log_format: Literal["json", "console"], level: str, **always: object) -> None:
    """Set up structlog; lines for people have colours on a terminal. always: stands in every line."""

    def complete(_: object, __: str, event: Event) -> Event:
        event.update(always)
        return event

    coloured = log_format == "console" and sys.stderr.isatty()
    processors = [*([complete] if always else []), *(_COLOURED if coloured else [_LINES[log_format]])]
    least = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=Lines(sys.stderr, processors, least),
        cache_logger_on_first_use=True,
    )


def teller() -> Callable[[str, Sequence[Event]], None]:
    """What writes lines of a level without the detours of structlog's loggers: for what is told very often."""
    lines = structlog.get_config()["logger_factory"]
    if isinstance(lines, Lines):
        return lines.tell
    return _tell


def _tell(level: str, events: Sequence[Event]) -> None:
    log = getattr(structlog.get_logger(), level)
    for event in events:
        log(**event)


class Lines:
    """Writes what an event loop tells within a hundredth of a second at once; outside of a loop each line by itself.

    A system call for each line of a busy gateway cost more than all else about it. Warnings and errors go at once,
    and take along what was told before them.
    """

    def __init__(self, stream: TextIO, processors: Sequence[Callable[..., Any]], least: int) -> None:
        self._stream = stream
        self._processors = processors
        self._told = {name for name in ("debug", "info", "warning", "error") if getattr(logging, name.upper()) >= least}
        self._lines: list[str] = []
        self._flushing: asyncio.AbstractEventLoop | None = None
        self._lock = threading.RLock()
        atexit.register(self.flush)

    def __call__(self, *_: object) -> Lines:
        """Be the logger of every module."""
        return self

    def tell(self, level: str, events: Sequence[Event]) -> None:
        """What structlog's loggers do, for several events."""
        if level not in self._told:
            return
        lines: list[Any] = list(events)
        for processor in self._processors:
            lines = [processor(None, level, line) for line in lines]
        self._keep(lines)

    def msg(self, line: str) -> None:
        """Write a line."""
        self._keep([line])

    debug = info = msg

    def warning(self, line: str) -> None:
        """Write a line at once, and what was told before it."""
        with self._lock:
            self._lines.append(line)
            self.flush()

    error = critical = exception = warning

    def flush(self) -> None:
        """Write what has been told; at exit, too."""
        with self._lock:
            lines, self._lines = self._lines, []
            if lines:
                self._write(lines)

    def _keep(self, lines: Sequence[str]) -> None:
        """Write lines soon, or at once where no loop runs."""
        loop = _running_loop()
        with self._lock:
            self._lines += lines
            if loop is None:
                self.flush()
            elif self._flushing is not loop:
                self._flushing = loop
                loop.call_later(_PATIENCE, self._flush_later)

    def _flush_later(self) -> None:
        self._flushing = None
        self.flush()

    def _write(self, lines: list[str]) -> None:
        self._stream.write("\n".join(lines) + "\n")
        self._stream.flush()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _stamp() -> str:
    now = time.time()
    return f"{_second(int(now))}.{int(now % 1 * 1e6):06d}Z"


@lru_cache(maxsize=4)
def _second(now: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))


def _json(logger: object, level: str, event: Event) -> str:
    """A line for machines; structlog's own processors in one, as requests are many."""
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, level, event)
    event["level"] = _LEVELS.get(level, level)
    event["timestamp"] = _stamp()
    return orjson.dumps(event, default=str).decode()


def _plain(logger: object, level: str, event: Event) -> str:
    """A line for people: time, level, event, and the rest as key=value."""
    exception = None
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, level, event)
        exception = event.pop("exception", None)
    name = event.pop("event")
    rest = " ".join([f"{key}={value}" for key, value in event.items()])
    if rest.count(" ") >= len(event) or not rest.isprintable():
        rest = " ".join([f"{key}={_word(value)}" for key, value in event.items()])
    line = f"{_stamp()} [{_LEVELS.get(level, level):<9}] {name:<{_EVENT_WIDTH}} {rest}"
    return line if exception is None else f"{line}\n{exception}"


def _word(value: object) -> str:
    """A value as it is, or quoted where it holds more than one word: what a caller sends must not look like a line."""
    text = str(value)
    return text if text.isprintable() and " " not in text and text else repr(text)


_LEVELS = {"warn": "warning", "exception": "error"}
_LINES: Mapping[str, Callable[[object, str, Event], str]] = {"json": _json, "console": _plain}
_COLOURED: list[Any] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    structlog.dev.ConsoleRenderer(),
]
