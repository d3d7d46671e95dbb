"""Figures of several processes, summed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector

from headwise.telemetry.report import ReportFiles, Reports


@dataclass(frozen=True, slots=True)
class Shared:
    """registry: what all processes tell together. files: where this one tells what the library does not keep."""

    registry: CollectorRegistry
    files: ReportFiles


def share(folder: Path, number: int) -> Shared:
    """Keep what this process counts from now on in files of the folder; the registry sums those of all processes.

    number: the process's own. One that takes the number of a process that ended goes on from its figures, so
    counters never go backwards, and there are never more files than numbers.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # the library has no other way to say it
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]
    summed = CollectorRegistry()
    MultiProcessCollector(summed, str(folder))  # type: ignore[no-untyped-call]
    files = ReportFiles(folder, number)
    summed.register(Reports(files.read))
    return Shared(summed, files)
