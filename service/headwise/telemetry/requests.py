"""Every request that was answered: counted, timed, and told in one line of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from headwise.telemetry import logs
from headwise.telemetry.metrics import OTHER, Metrics


class Answered(NamedTuple):
    """A request. model: as the caller spelt it, or empty. path: of HTTP; gRPC has a method alone."""

    verb: str
    model: str
    status: int | str
    seconds: float
    request_id: str
    method: str
    path: str | None = None


class Requests:
    """Those of one surface. is_model: whether the repository has a model; any other name is counted as OTHER."""

    def __init__(self, surface: str, metrics: Metrics, is_model: Callable[[str], bool]) -> None:
        self._surface = surface
        self._metrics = metrics
        self._is_model = is_model
        self._tell = logs.teller()
        self._later: list[Answered] = []

    def answered(self, request: Answered, *, quiet: bool = False) -> None:
        """Write a request down."""
        self._write("debug" if quiet else "info", [request])

    def answered_soon(self, request: Answered) -> None:
        """Write a request down when the loop's turn ends, with the others of the turn: for those that are many."""
        if not self._later:
            asyncio.get_running_loop().call_soon(self._write_later)
        self._later.append(request)

    def _write_later(self) -> None:
        requests, self._later = self._later, []
        self._write("info", requests)

    def _write(self, level: str, requests: Sequence[Answered]) -> None:
        took: dict[tuple[str, str, int | str], list[float]] = {}
        for verb, model, status, seconds, *_ in requests:
            took.setdefault((verb, model, status), []).append(seconds)
        for (verb, model, status), all_seconds in took.items():
            named = model if not model or self._is_model(model) else OTHER
            self._metrics.observe(self._surface, verb, named, str(status), all_seconds)
        self._tell(level, [_event(request) for request in requests])


def _event(request: Answered) -> logs.Event:
    _, _, status, seconds, request_id, method, path = request
    event: logs.Event = {
        "event": "request",
        "method": method,
        "milliseconds": round(seconds * 1000, 2),
        "request_id": request_id,
        "status": status,
    }
    if path is not None:
        event["path"] = path
    return event
