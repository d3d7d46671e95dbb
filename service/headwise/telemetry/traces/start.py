"""Switch traces on."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headwise.errors import ConfigurationError

if TYPE_CHECKING:
    from headwise.telemetry.traces.tracing import Tracing

_NEEDED = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.grpc.trace_exporter")


def start(service: str) -> Tracing:
    """Spans go where OpenTelemetry's own variables say, from a thread of their own. service: its name, unless they say.

    Raises: ConfigurationError where OpenTelemetry is not installed, or a variable of its is wrong.
    """
    check()
    from headwise.telemetry.traces.export import exported  # noqa: PLC0415  # loaded only where it is asked for

    try:
        return exported(service)
    except Exception as error:  # which errors it raises for its variables, it does not say
        raise ConfigurationError(
            f"traces cannot be switched on by the variables OTEL_*: {type(error).__name__}: {error}"
        ) from error


def check(needed: Sequence[str] = _NEEDED) -> None:
    """Raises: ConfigurationError where OpenTelemetry is not installed."""
    missing = [name for name in needed if not _installed(name)]
    if missing:
        raise ConfigurationError(
            f"traces need OpenTelemetry, and {missing[0]} is not installed: pip install 'headwise[traces]', "
            "or switch traces off"
        )


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # nor is what it is a part of
        return False
