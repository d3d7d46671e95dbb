"""Figures that are told as they stand: of this process, or of several by files, each of which one process writes.

Gauges, and what is counted of versions: the library's own files can neither let a series go nor ask for a gauge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import orjson
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from headwise.telemetry.metric_table import METRICS

Report = dict[str, dict[tuple[str, ...], list[float]]]
"""By metric and labels: the figure, or of a histogram how many are in each bucket, and their sum."""

_OVER: Mapping[str, Callable[[Iterable[float]], float]] = {"sum": sum, "min": min, "max": max}


def merged(reports: Iterable[Report]) -> Report:
    """What several processes tell together, as the table of metrics has it."""
    told: dict[str, dict[tuple[str, ...], list[list[float]]]] = {}
    for report in reports:
        for name, rows in report.items():
            for labels, figures in rows.items():
                told.setdefault(name, {}).setdefault(labels, []).append(figures)
    return {
        name: {
            labels: [_OVER[METRICS[name].over_workers](some) for some in zip(*figures, strict=True)]
            for labels, figures in rows.items()
        }
        for name, rows in told.items()
    }


class Reports(Collector):
    """Renders what `read` brings, whenever it is asked."""

    def __init__(self, read: Callable[[], Report]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Nothing: to be asked is the first thing that it may be."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The metrics, in the order of the table."""
        report = self._read()
        for name, metric in METRICS.items():
            rows = report.get(name)
            if rows is None:
                continue
            if metric.kind == "histogram":
                yield _histogram(name, rows)
                continue
            family = (CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily)(
                name, metric.meaning, labels=metric.labels
            )
            for labels, (figure,) in rows.items():
                family.add_metric(labels, figure)
            yield family


def _histogram(name: str, rows: dict[tuple[str, ...], list[float]]) -> Metric:
    metric = METRICS[name]
    family = HistogramMetricFamily(name, metric.meaning, labels=metric.labels)
    bounds = [*(str(float(bound)) for bound in metric.buckets), "+Inf"]
    for labels, (*counts, summed) in rows.items():
        below = 0.0
        buckets = [(bound, below := below + count) for bound, count in zip(bounds, counts, strict=True)]
        family.add_metric(labels, buckets, summed)
    return family


class ReportFiles:
    """Of several processes, in one folder. number: of this one, which goes on from the file of its predecessor."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._own = folder / f"{number}.report"

    def write(self, report: Report) -> None:
        """Tell the others; raises OSError. They read the old file or the new one, never half of one."""
        new = self._own.with_suffix(".new")
        new.write_bytes(orjson.dumps({name: list(rows.items()) for name, rows in report.items()}))
        new.replace(self._own)

    def before(self) -> Report:
        """What a process of this number told last."""
        return _read(self._own)

    def read(self) -> Report:
        """What all have told last. Its own figures, too, are those that it has told: whoever is asked says the same."""
        return merged(_read(file) for file in sorted(self._folder.glob("*.report")))


def _read(file: Path) -> Report:
    try:
        document = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    return {name: {tuple(labels): figures for labels, figures in rows} for name, rows in document.items()}
