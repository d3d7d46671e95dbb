"""One structured line an event, on standard error."""

from __future__ import annotations

import asyncio
import atexit
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal, TextIO

import structlog

from headwise.telemetry import foreign
from headwise.telemetry.lines import LINES, Event, coloured

_PATIENCE = 0.01
"""Seconds that a line may wait for others."""


def configure(log_format: Literal["json", "console"], level: str, **always: object) -> None:
    """Set up structlog, and Python's own logging behind it; lines for people have colours on a terminal.

    always: stands in every line.
    """

    def complete(_: object, __: str, event: Event) -> Event:
        event.update(always)
        return event

    line = coloured if log_format == "console" and sys.stderr.isatty() else LINES[log_format]
    processors: list[Callable[..., Any]] = [*([complete] if always else []), line]
    least = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=Lines(sys.stderr, processors, least),
        cache_logger_on_first_use=True,
    )
    foreign.route(max(least, logging.WARNING))


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


def count_losses(count: Callable[[int], None]) -> None:
    """Tell how many lines could not be written, whenever some cannot."""
    lines = structlog.get_config()["logger_factory"]
    if isinstance(lines, Lines):
        lines.lost = count


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
        self.lost: Callable[[int], None] = lambda _: None
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
        try:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
        except OSError:  # a disk that is full: nobody who asks is to blame
            self.lost(len(lines))


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
