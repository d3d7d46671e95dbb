"""The benchmarks run; their figures are for a quiet machine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.example_models import train
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


@pytest.fixture(scope="module")
def tumor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the example model."""
    models = tmp_path_factory.mktemp("models")
    done = train(models, "--only", "tumor")
    assert done.returncode == 0, done.stdout + done.stderr
    return models / "tumor"


@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed: `make bench-quick` installs it")
def test_the_gateway_is_measured_beside_a_limit_and_leaves_a_page(tmp_path: Path, tumor: Path) -> None:
    size = ["--rounds", "2", "--seconds", "1", "--only", "closed", "--connections", "4", "--subjects", "tumor"]
    told = subprocess.run(
        [
            *(sys.executable, "bench/speed.py", *size, "--sides", "headwise", "no-op"),
            *("--models", str(tumor.parent), "--results", str(tmp_path)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "[1/" in told.stderr
    whole = json.loads((tmp_path / "serving.json").read_text("utf-8"))
    assert whole["missing"] == {}
    assert (
        sorted(record["side"] for record in whole["records"]) == ["direct gRPC"] * 2 + ["headwise"] * 2 + ["no-op"] * 2
    )
    for record in whole["records"]:
        assert "failed" not in record
        assert record["requests"] > 0
        assert 0 < record["p50_ms"] <= record["p99_ms"]
        assert record["cpu_us"] > 0
        assert record["cores"] >= 1
    page = (tmp_path / "serving.md").read_text("utf-8")
    assert "| tumor | 4 | **headwise** | 1 |" in page
    assert "not measured" in page
    assert (tmp_path / "serving-rates.svg").read_text("utf-8").startswith("<?xml")


def test_a_side_that_answers_wrongly_is_not_measured(tumor: Path) -> None:
    program = (
        "import dataclasses, json, sys, tempfile; from pathlib import Path; import speed;"
        "from serving.sides import SIDES; from serving.stage import Stage;"
        "wrong = dataclasses.replace(SIDES[0], labels=lambda answer: ['x']);"
        f"subject = speed.example(Path({str(tumor)!r}));"
        "folder = tempfile.TemporaryDirectory();"
        "stage = Stage(Path(folder.name, 's'), [subject], [wrong]);"
        "stage.__enter__(); found = stage.sides(subject); stage.__exit__(None, None, None); folder.cleanup();"
        "print(json.dumps([len(found), stage.missing]))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'bench'}:{ROOT / 'service'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    found, missing = json.loads(told.stdout)
    assert found == 0
    assert "expected" in missing["headwise, tumor"]
