"""Figures of several processes: summed whoever is asked, and never smaller after a process ended and came again."""

import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

WORKER = """
import os, pathlib, sys
from headwise.telemetry.metrics import Metrics
from headwise.telemetry.shared import share
metrics = Metrics(share(pathlib.Path(sys.argv[1]), int(sys.argv[2])))
for seconds in map(float, sys.argv[3:]):
    metrics.observe("http", "classify", "tumor", "200", [seconds])
sys.stdout.buffer.write(metrics.render()[0])
sys.stdout.flush()
os.kill(os.getpid(), 9)
"""


def figures(folder: Path, number: int, *seconds: float) -> dict[str, float]:
    """What a process answers that observes requests and is killed."""
    ended = subprocess.run(
        [sys.executable, "-c", WORKER, str(folder), str(number), *map(str, seconds)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    return {
        sample.name + sample.labels.get("le", ""): sample.value
        for family in text_string_to_metric_families(ended.stdout)
        for sample in family.samples
    }


def test_every_process_answers_for_all_of_them(tmp_path: Path) -> None:
    figures(tmp_path, 1, 0.004, 0.2)
    answer = figures(tmp_path, 2, 3.0)
    assert answer["headwise_requests_total"] == 3
    assert answer["headwise_request_duration_seconds_count"] == 3
    assert answer["headwise_request_duration_seconds_bucket0.25"] == 2
    assert abs(answer["headwise_request_duration_seconds_sum"] - 3.204) < 1e-9


def test_a_process_goes_on_from_the_figures_of_its_number(tmp_path: Path) -> None:
    figures(tmp_path, 1, 0.1)
    figures(tmp_path, 2, 0.1)
    files = sorted(tmp_path.iterdir())
    assert figures(tmp_path, 1)["headwise_requests_total"] == 2
    assert figures(tmp_path, 1, 0.1)["headwise_requests_total"] == 3
    assert sorted(tmp_path.iterdir()) == files
