"""Every request that was answered: counted, timed, and told in one line of the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headwise.telemetry import logs
from headwise.telemetry.metrics import OTHER, Metrics


class Requests:
    """Those of one surface. is_model: whether the repository has a model; any other name is counted as OTHER."""

    def __init__(self, surface: str, metrics: Metrics, is_model: Callable[[str], bool]) -> None:
        self._surface = surface
        self._metrics = metrics
        self._is_model = is_model
        self._tell = logs.teller()

    def answered(
        self,
        verb: str,
        model: str,
        status: int | str,
        seconds: float,
        words: dict[str, Any],
        *,
        quiet: bool = False,
    ) -> None:
        """Write a request down. model: as the caller spelt it, or empty. words: what the line says besides."""
        named = model if not model or self._is_model(model) else OTHER
        self._metrics.observe(self._surface, verb, named, str(status), seconds)
        words["event"], words["status"], words["milliseconds"] = "request", status, round(seconds * 1000, 2)
        self._tell("debug" if quiet else "info", words)
