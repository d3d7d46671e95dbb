"""Prometheus metrics of the gateway: base units, bounded labels. What there is stands in metric_table.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from headwise import __version__
from headwise.telemetry.answers import NAMES, Answers
from headwise.telemetry.histogram import Histogram
from headwise.telemetry.metric_table import METRICS, OTHER, REFUSALS, WATCHED_FILES
from headwise.telemetry.report import Report, Reports
from headwise.telemetry.shared import Shared
from headwise.telemetry.trail import STAGES

_log = structlog.get_logger(__name__)

Figures = Mapping[tuple[str, ...], float]
"""Of one gauge, by its labels."""

_MOST_ADDRESSES = 64
"""That counters have as labels: a name's addresses change, and none of them is ever the last."""
_DURATION = "headwise_request_duration_seconds"

disable_created_metrics()  # type: ignore[no-untyped-call]  # when a series began: as many again, for no rule


class Metrics:
    """What is counted where it happens, and the gauges that are asked for.

    shared: with other processes, whose figures are rendered with this one's. tell_every: seconds, as `tell` tells them.
    """

    def __init__(self, shared: Shared | None = None, *, tell_every: float = 1.0) -> None:
        self._tell_every = tell_every
        self.registry = CollectorRegistry()
        self._files = None if shared is None else shared.files
        self._rendered = self.registry if shared is None else shared.registry
        self._gauges: dict[str, Callable[[], Figures]] = {"headwise_build_info": lambda: {(__version__,): 1}}
        self.answers = Answers(before=None if self._files is None else self._files.before())
        if shared is None:
            self.registry.register(Reports(self._report))
        counted = {name: metric for name, metric in METRICS.items() if name not in NAMES}
        self._counters = {
            name: Counter(name, metric.meaning, metric.labels, registry=self.registry)
            for name, metric in counted.items()
            if metric.kind == "counter"
        }
        self._histograms = {
            name: Histogram(name, metric.meaning, metric.labels, buckets=metric.buckets, registry=self.registry)
            for name, metric in counted.items()
            if metric.kind == "histogram"
        }
        for reason in REFUSALS:  # what is there from the start is seen to grow by the first of them
            self.refused(reason, 0)
        for what in WATCHED_FILES:
            self.reload_failed(what, 0)
        self._series: dict[tuple[str, str, str, str], tuple[Counter, Histogram]] = {}
        self._staged: dict[str, list[Histogram]] = {}
        self._batches: dict[str, tuple[Histogram, Histogram]] = {}
        self._addresses: set[str] = set()

    def watch(self, name: str, figures: Callable[[], Figures]) -> None:
        """A gauge, asked for when the metrics are; of several processes once a second."""
        self._gauges[name] = figures

    def observe(self, surface: str, verb: str, model: str, status: str, seconds: Sequence[float]) -> None:
        """Count requests by how long they took. Labels must be bounded: see OTHER."""
        labels = (surface, verb, model, status)
        series = self._series.get(labels)
        if series is None:
            counter, histogram = self._counters["headwise_requests_total"], self._histograms[_DURATION]
            series = self._series[labels] = counter.labels(*labels), histogram.labels(surface, verb, model)
        count, duration = series
        count.inc(len(seconds))
        duration.observe_all(seconds)

    def exemplify(self, surface: str, verb: str, model: str, seconds: float, trace_id: str) -> None:
        """Name the trace of a request that took so long, beside those that took about as long."""
        self._histograms[_DURATION].labels(surface, verb, model).exemplify(seconds, {"trace_id": trace_id})

    def staged(self, model: str, seconds: Sequence[Sequence[float]]) -> None:
        """Count where requests' time went: of each the seconds of the STAGES, in their order."""
        series = self._staged.get(model)
        if series is None:
            histogram = self._histograms["headwise_stage_duration_seconds"]
            series = self._staged[model] = [histogram.labels(stage, model) for stage in STAGES]
        for one, amounts in zip(series, zip(*seconds, strict=True), strict=True):
            one.observe_all(amounts)

    def departed(self, model: str, rows: int, requests: int) -> None:
        """Count a call of the model server, for a model of the repository."""
        series = self._batches.get(model)
        if series is None:
            histograms = (self._histograms[name] for name in ("headwise_batch_rows", "headwise_batch_requests"))
            of_rows, of_requests = (histogram.labels(model) for histogram in histograms)
            series = self._batches[model] = of_rows, of_requests
        series[0].observe(rows)
        series[1].observe(requests)

    def refused(self, reason: str, requests: int = 1) -> None:
        """Count requests, and items of streams, that were refused for one of REFUSALS."""
        self._counters["headwise_refusals_total"].labels(reason).inc(requests)

    def tripped(self, *, model: str, head: str, code: str, answers: int = 1) -> None:
        """Count answers of a model of the repository, and a head of its card."""
        self._counters["headwise_tripwires_total"].labels(model, head, code).inc(answers)

    def proved(self, model: str, held: bool) -> None:
        """Count one run of golden records of a model of the repository."""
        self._counters["headwise_golden_proofs_total"].labels(model, "held" if held else "failed").inc()

    def met(self, address: str) -> None:
        """There is this model server: its counters are at zero."""
        self.retried(address, 0)
        self.ejected(address, 0)

    def retried(self, address: str, calls: int = 1) -> None:
        """Count calls that were sent a second time, as they did not come back from this model server."""
        self._counters["headwise_backend_retries_total"].labels(self._known(address)).inc(calls)

    def ejected(self, address: str, times: int = 1) -> None:
        """Count a model server that was taken out of rotation."""
        self._counters["headwise_backend_ejections_total"].labels(self._known(address)).inc(times)

    def lines_lost(self, count: int) -> None:
        """Count lines of the log that could not be written."""
        self._counters["headwise_log_lines_lost_total"].inc(count)

    def reload_failed(self, what: str, times: int = 1) -> None:
        """Count a bad reading of keys, of a certificate, or of a version's files."""
        self._counters["headwise_reload_failures_total"].labels(what).inc(times)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics as a scraper accepts them, and the type of that; OpenMetrics has room for exemplars."""
        write, content_type = choose_encoder(accept)
        return write(self._rendered), content_type

    async def tell(self) -> None:
        """Tell the other processes, until cancelled, what the library does not tell them."""
        files, reason = self._files, None
        assert files is not None
        while True:
            try:
                await asyncio.to_thread(lambda: files.write(self._report()))
                reason = None
            except Exception as error:  # noqa: BLE001  # a full disk, or whatever: what was told last stands
                if reason != str(error):
                    reason = str(error)
                    _log.warning("metrics not told to the other workers", reason=reason)
            await asyncio.sleep(self._tell_every)

    def _report(self) -> Report:
        told: Report = {
            name: {labels: [float(figure)] for labels, figure in figures().items()}
            for name, figures in self._gauges.items()
        }
        return {**told, **self.answers.report()}

    def _known(self, address: str) -> str:
        if len(self._addresses) < _MOST_ADDRESSES:
            self._addresses.add(address)
        return address if address in self._addresses else OTHER
