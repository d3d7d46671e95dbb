"""What headwise makes of the runs."""

from __future__ import annotations

import time
from typing import Any

from calibrating.runs import Array, Run, Runs, scored
from calibrating.subjects import Subject

from headwise.calibration.calibrate import calibrate
from headwise.errors import CalibrationError
from headwise.heads import Head

UNCALIBRATED = "uncalibrated"
HEADWISE = "headwise"


def measure(subject: Subject, runs: Runs) -> list[dict[str, Any]]:
    """Two records for each run: without calibration, and with headwise's choice."""
    return [record for run in runs for record in _measure(subject, runs, run)]


def _measure(subject: Subject, runs: Runs, run: Run) -> list[dict[str, Any]]:
    raw, targets = subject.raw[run.member], subject.targets
    start = time.perf_counter()
    head, note = _calibrated(subject.head, raw[run.fit], targets[run.fit], run.seed)
    seconds = time.perf_counter() - start
    records = []
    for method, chosen in ((UNCALIBRATED, subject.head), (HEADWISE, head)):
        probabilities = chosen.predict(raw[run.test]).probabilities
        assert probabilities is not None
        scores = scored(probabilities, runs.targets[run.test], runs.kind)
        records.append({"method": method, "size": run.size, "seed": run.seed, **scores, "seconds": 0.0, "note": ""})
    return [records[0], {**records[1], "seconds": seconds, "note": note}]


def _calibrated(head: Head, raw: Array, targets: Array, seed: int) -> tuple[Head, str]:
    """The head as `headwise.calibrate` leaves it, and the name of what it chose."""
    try:
        found = calibrate(raw, targets, head, seed=seed, intervals=False)
    except CalibrationError as error:
        return head, f"refused: {error}"
    return found.head, found.chosen
