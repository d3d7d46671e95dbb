"""What others tell, by Python's logging and its hooks for errors that nobody caught, as lines like headwise's own."""

from __future__ import annotations

import logging
import re
import sys
import threading

import structlog

_LONGEST = 300
"""Characters of a message."""
_ARGUMENTS = re.compile(r" *[(<].*")
"""asyncio shows a callback with what it was given, and a task as an object."""


def route(least: int) -> None:
    """From this level on: uvicorn's, asyncio's, gRPC's and Python's own warnings."""
    root = logging.getLogger()
    root.handlers = [_Handler()]
    root.setLevel(least)
    logging.captureWarnings(True)
    threading.excepthook = _thread_ended
    sys.unraisablehook = _not_raised


class _Handler(logging.Handler):
    """Tells an event a record: its message's first line alone, as asyncio lists objects, and what they hold, below."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            first = record.getMessage().strip().partition("\n")[0]
            if record.name == "asyncio":
                first = _ARGUMENTS.sub("", first)
            log = structlog.get_logger()
            tell = log.error if record.levelno >= logging.ERROR else log.warning
            trace = {"exc_info": record.exc_info} if record.exc_info else {}
            tell(first[:_LONGEST], logger=record.name, **trace)
        except Exception:  # noqa: BLE001  # as every handler of logging
            self.handleError(record)


def _thread_ended(told: threading.ExceptHookArgs) -> None:
    name = "" if told.thread is None else told.thread.name
    structlog.get_logger().error("a thread ended by an error", thread=name, exc_info=told.exc_value)


def _not_raised(told: sys.UnraisableHookArgs) -> None:
    structlog.get_logger().error("an error that could not be raised", exc_info=told.exc_value)
