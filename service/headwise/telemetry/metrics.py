"""Prometheus metrics of the gateway: base units, bounded labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import choose_encoder

from headwise.telemetry.histogram import Histogram
from headwise.telemetry.trail import STAGES

OTHER = "other"
"""The model label of names that are in no repository: a client must not be able to make new series."""

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_STAGE_BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)


class Metrics:
    """Request counts and latencies by surface, verb and model, and tripwires by head.

    summed: what is rendered instead of this process's own figures; see shared.py.
    """

    def __init__(self, summed: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry()
        self._rendered = summed or self.registry
        self._requests = Counter(
            "headwise_requests_total",
            "Requests answered.",
            ["surface", "verb", "model", "status"],
            registry=self.registry,
        )
        self._duration = Histogram(
            "headwise_request_duration_seconds",
            "From the first byte of a request to the last of its answer.",
            ["surface", "verb", "model"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._stages = Histogram(
            "headwise_stage_duration_seconds",
            "Where the time of answered requests went: parse, queue, backend, head, encode.",
            ["stage", "model"],
            buckets=_STAGE_BUCKETS,
            registry=self.registry,
        )
        self._staged: dict[str, list[Histogram]] = {}
        self._series: dict[tuple[str, str, str, str], tuple[Counter, Histogram]] = {}
        self._tripwires = Counter(
            "headwise_tripwires_total",
            "Answers whose numbers contradict the head card, refused or not, by the code of the diagnostics catalogue.",
            ["model", "head", "code"],
            registry=self.registry,
        )
        self._proofs = Counter(
            "headwise_golden_proofs_total",
            "Runs of a version's golden records before it takes traffic, by whether they held.",
            ["model", "result"],
            registry=self.registry,
        )

        self._retries = Counter(
            "headwise_backend_retries_total",
            "Calls of a model server that were sent a second time.",
            registry=self.registry,
        )
        self._ejections = Counter(
            "headwise_backend_ejections_total",
            "Times that a model server was taken out of rotation because it did not answer.",
            registry=self.registry,
        )
        self._lost = Counter(
            "headwise_log_lines_lost_total",
            "Lines of the log that could not be written.",
            registry=self.registry,
        )
        self._reload_failures = Counter(
            "headwise_reload_failures_total",
            "Files that changed and were bad; what they held before stays in force.",
            ["what"],
            registry=self.registry,
        )

    def watch(self, name: str, meaning: str, figure: Callable[[], float]) -> None:
        """A figure of this process, asked for when the metrics are; left out where those of several are summed."""
        if self._rendered is self.registry:
            Gauge(name, meaning, registry=self.registry).set_function(figure)

    def observe(self, surface: str, verb: str, model: str, status: str, seconds: Sequence[float]) -> None:
        """Count requests by how long they took. Labels must be bounded: see OTHER."""
        labels = (surface, verb, model, status)
        series = self._series.get(labels)
        if series is None:
            series = self._requests.labels(*labels), self._duration.labels(surface, verb, model)
            self._series[labels] = series
        count, duration = series
        count.inc(len(seconds))
        duration.observe_all(seconds)

    def exemplify(self, surface: str, verb: str, model: str, seconds: float, trace_id: str) -> None:
        """Name the trace of a request that took so long, beside those that took about as long."""
        self._duration.labels(surface, verb, model).exemplify(seconds, {"trace_id": trace_id})

    def staged(self, model: str, seconds: Sequence[Sequence[float]]) -> None:
        """Count where requests' time went: of each the seconds of the STAGES, in their order."""
        series = self._staged.get(model)
        if series is None:
            series = self._staged[model] = [self._stages.labels(stage, model) for stage in STAGES]
        for one, amounts in zip(series, zip(*seconds, strict=True), strict=True):
            one.observe_all(amounts)

    def tripped(self, *, model: str, head: str, code: str, answers: int = 1) -> None:
        """Count answers of a model of the repository, and a head of its card."""
        self._tripwires.labels(model, head, code).inc(answers)

    def proved(self, model: str, held: bool) -> None:
        """Count one run of golden records of a model of the repository."""
        self._proofs.labels(model, "held" if held else "failed").inc()

    def retried(self) -> None:
        """Count a call that was sent a second time."""
        self._retries.inc()

    def ejected(self) -> None:
        """Count a model server that was taken out of rotation."""
        self._ejections.inc()

    def lines_lost(self, count: int) -> None:
        """Count lines of the log that could not be written."""
        self._lost.inc(count)

    def reload_failed(self, what: str) -> None:
        """Count a bad reading of keys, of a certificate, or of a version's files."""
        self._reload_failures.labels(what).inc()

    def render(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return generate_latest(self._rendered)

    def render_as(self, accept: str) -> tuple[bytes, str]:
        """The metrics as a scraper accepts them, and the type of that; OpenMetrics has room for exemplars."""
        write, content_type = choose_encoder(accept)
        return write(self._rendered), content_type
