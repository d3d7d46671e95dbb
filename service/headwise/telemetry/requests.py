"""Every request that was answered: counted, timed, and told in one line of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from headwise.telemetry import logs
from headwise.telemetry.lines import Event
from headwise.telemetry.metric_table import AT_THE_DOOR, OTHER
from headwise.telemetry.metrics import Metrics
from headwise.telemetry.trail import Counts, Trail

if TYPE_CHECKING:
    from headwise.telemetry.traces.trace import Trace

MOST_LABELS = 5
"""Of a head, in a line; the others are counted together."""
LONGEST = 512
"""Characters of a path or of a model's name in a line: a caller chooses them."""


class Answered(NamedTuple):
    """A request. model: as the caller spelt it, or empty. path: of HTTP, without query; gRPC has a method alone.

    started: when its head had come, by `time.perf_counter`; it took so many seconds.
    """

    verb: str
    model: str
    status: int | str
    started: float
    seconds: float
    request_id: str
    method: str
    path: str | None = None
    trail: Trail | None = None


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
        stages: dict[str, list[Sequence[float]]] = {}
        traced: list[tuple[int, Trace]] = []
        for at, (verb, model, status, started, seconds, _, _, _, trail) in enumerate(requests):
            took.setdefault((verb, model, status), []).append(seconds)
            if trail is None:
                continue
            if trail.stages is not None:
                stages.setdefault(model, []).append(trail.stages.seconds(started, started + seconds))
            if trail.trace is not None and trail.trace.sampled:
                traced.append((at, trail.trace))
            if trail.code is not None and trail.code in AT_THE_DOOR:
                self._metrics.refused(trail.code)
        for (verb, model, status), all_seconds in took.items():
            self._metrics.observe(self._surface, verb, self._named(model), str(status), all_seconds)
        for model, all_stages in stages.items():
            self._metrics.staged(self._named(model), all_stages)
        events = [self._event(request) for request in requests]
        for at, trace in traced:
            self._end_trace(trace, requests[at], events[at])
        self._tell(level, events)

    def _end_trace(self, trace: Trace, request: Answered, event: Event) -> None:
        """Name it wherever the request is told of."""
        trace.end(request)
        event["trace_id"], event["span_id"] = trace.ids
        verb, model = request.verb, self._named(request.model)
        self._metrics.exemplify(self._surface, verb, model, request.seconds, event["trace_id"])

    def _named(self, model: str) -> str:
        return model if not model or self._is_model(model) else OTHER

    def _event(self, request: Answered) -> Event:
        """What is not known is left out."""
        verb, model, status, _, seconds, request_id, method, path, trail = request
        event: Event = {"event": "request", "request_id": request_id, "surface": self._surface, "verb": verb}
        if model:
            event["model"] = model if len(model) <= LONGEST else _cut(model)
        if trail is not None:
            if trail.caller is not None:
                event["caller"] = trail.caller
            if trail.version is not None:
                event["version"] = trail.version
            if trail.rows is not None:
                event["rows"] = trail.rows
            if trail.decided:
                event["decided"] = _most_frequent(trail.decided)
            if trail.abstained:
                event["abstained"] = trail.abstained
            if trail.code is not None:
                event["code"] = trail.code
        event["status"] = status
        event["milliseconds"] = round(seconds * 1000, 2)
        event["method"] = method
        if path is not None:
            event["path"] = path if len(path) <= LONGEST else _cut(path)
        return event


def _cut(text: str) -> str:
    return f"{text[:LONGEST]}…"


def _most_frequent(decided: Counts) -> Counts:
    """As it is where no head has answered many labels, as few have."""
    for counts in decided.values():
        if len(counts) > MOST_LABELS:
            return {head: _first(counts) for head, counts in decided.items()}
    return decided


def _first(counts: Mapping[str, int]) -> Mapping[str, int]:
    """The most frequent labels, and how often any other was answered."""
    if len(counts) <= MOST_LABELS:
        return counts
    ordered = sorted(counts, key=lambda label: -counts[label])
    told = {label: counts[label] for label in ordered[:MOST_LABELS]}
    return {**told, OTHER: told.get(OTHER, 0) + sum(counts[label] for label in ordered[MOST_LABELS:])}
