"""One structured line an event, on standard error."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict


def configure(log_format: Literal["json", "console"], level: str, **always: object) -> None:
    """Set up structlog. always: stands in every line."""

    def complete(_: object, __: str, event: EventDict) -> EventDict:
        return {**event, **always}

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            *([complete] if always else []),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer()
            if log_format == "json"
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
