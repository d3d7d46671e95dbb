"""The benchmarks run; their figures are for a quiet machine."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_cost_of_the_tripwires_is_measured_for_every_kind_of_head() -> None:
    run = subprocess.run(
        [sys.executable, "bench/tripwires.py", "--rounds", "2"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in run.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == ["softmax"] * 6 + ["log_softmax"] * 6 + ["linear"] * 6
    assert all(float(row[-4]) > 0 for row in rows)
