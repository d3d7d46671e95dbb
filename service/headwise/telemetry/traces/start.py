"""Switch traces on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwise.errors import ConfigurationError

if TYPE_CHECKING:
    from headwise.telemetry.traces.tracing import Tracing


def start(service: str) -> Tracing:
    """Spans go where OpenTelemetry's own variables say, from a thread of their own. service: its name, unless they say.

    Raises: ConfigurationError where OpenTelemetry is not installed, or a variable of its is wrong.
    """
    try:
        from headwise.telemetry.traces.export import exported  # noqa: PLC0415  # loaded only where it is asked for
    except ImportError as error:
        raise ConfigurationError(
            f"traces need OpenTelemetry ({error}): pip install 'headwise[traces]', or switch them off"
        ) from error
    try:
        return exported(service)
    except Exception as error:  # which errors it raises for its variables, it does not say
        raise ConfigurationError(
            f"traces cannot be switched on by the variables OTEL_*: {type(error).__name__}: {error}"
        ) from error
