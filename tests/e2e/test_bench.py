"""The benchmarks run; their figures are for a quiet machine."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

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


def test_the_cost_of_calibration_is_measured_for_every_method() -> None:
    run = subprocess.run(
        [sys.executable, "bench/calibration_cost.py", "--rounds", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    methods, choices = ([line.split() for line in part.splitlines()] for part in run.stdout.split("\n\n"))
    names = ["temperature", "temperature_mixture", "vector", "temperature", "per_label"]
    assert [row[1] for row in methods[2:]] == names
    assert [int(row[1]) for row in choices[1:]] == [200, 999, 1000] * 2
    assert all(float(row[2]) > 0 for row in (*methods[2:], *choices[1:]))


def tiny_predictions(file: Path) -> Path:
    """Overconfident logits of three classes: true class drawn from half of them."""
    draw = np.random.default_rng(0)
    logits = draw.normal(scale=3.0, size=(400, 3))
    shares = np.exp(logits / 2)
    y = (draw.uniform(size=(400, 1)) > np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)).sum(axis=1)
    np.savez(file, logits=logits, y=y)
    return file


def test_calibration_is_measured_beside_other_libraries_on_ones_own_predictions(tmp_path: Path) -> None:
    data, results, plots = tiny_predictions(tmp_path / "mine.npz"), tmp_path / "results", tmp_path / "plots"
    peers = ["scikit-learn temperature", "venn-abers"]
    measured = ["--data", str(data), "--seeds", "3", "--sizes", "200", "5000", "--methods", *peers]
    written = ["--results", str(results), "--plots", str(plots)]
    run = subprocess.run(
        [sys.executable, "bench/calibration.py", *measured, *written, "--peers-python", sys.executable],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in run.stdout.split("\n\n")[0].splitlines()[2:]]
    change = {row[0]: float(row[1].split()[0]) for row in table}
    assert set(change) == {"**headwise**", *peers}
    assert change["**headwise**"] < -1
    assert change["scikit-learn temperature"] < -1
    records = json.loads((results / "calibration.json").read_text("utf-8"))
    assert {(record["size"], record["note"]) for record in records if record["method"] in peers} == {(200, "")}
    assert len(records) == 3 * 4
    assert all((plots / f"{name}.svg").read_text("utf-8").startswith("<?xml") for name in ("methods", "sizes"))
