"""The benchmarks run; their figures are for a quiet machine."""

import subprocess
import sys
from pathlib import Path

from support.recordings import MODELS

ROOT = Path(__file__).parents[2]


def test_the_cost_of_the_tripwires_is_measured_for_every_kind_of_head() -> None:
    run = subprocess.run(
        [sys.executable, "bench/tripwires.py", "--rounds", "2"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in run.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == ["softmax"] * 6 + ["log_softmax"] * 6 + ["linear"] * 6
    assert all(float(row[-4]) > 0 for row in rows)


def test_the_time_of_inspect_is_measured_for_each_output() -> None:
    run = subprocess.run(
        [sys.executable, "bench/inspect_command.py", "--rounds", "1", str(MODELS / "image")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split() for line in run.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == ["tables", "--json"]
    assert all(float(row[1]) > 0 for row in rows)
