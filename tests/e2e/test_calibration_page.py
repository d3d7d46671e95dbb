"""docs/calibration.md is true: its commands and its Python run, and its tables are filled."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headwise.calibration.tuning.objectives import KINDS
from support.example_models import Examples

PAGE = (Path(__file__).parents[2] / "docs" / "calibration.md").read_text("utf-8")

pytestmark = pytest.mark.timeout(200)


def test_the_commands_run_one_after_the_other(examples: Examples, tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n(headwise calibrate .*?)\n```", PAGE, re.DOTALL)
    shutil.copytree(examples.models / "tumor", tmp_path / "models" / "tumor")
    card = tmp_path / "models" / "tumor" / "1" / "assets.extra" / "head.json"
    before = card.read_text("utf-8")
    printed = {}
    for line in block.splitlines():
        arguments = shlex.split(line)
        run = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
        printed[" ".join(arguments[1:3])] = run.stdout
    assert all(printed.values())
    assert list(printed) == ["calibrate models/tumor", "card show", "card diff", "card rollback"]
    assert '+          "decision": {' in printed["card diff"]
    assert json.loads(card.read_text("utf-8"))["signatures"] == json.loads(before)["signatures"]


def test_the_python_runs_as_it_stands() -> None:
    (block,) = re.findall(r"```python\n(.*?)\n```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(block, "docs/calibration.md", "exec"), names)
    calibrated = names["calibrated"]
    assert calibrated.chosen != "identity"  # type: ignore[attr-defined]
    assert calibrated.evidence["log_loss"]["after"] < calibrated.evidence["log_loss"]["before"]  # type: ignore[attr-defined]


def test_every_objective_stands_with_its_meaning_and_heads() -> None:
    for kind in KINDS:
        form = kind.form.replace("|", "\\|")
        assert f"| `{form}` | {kind.meaning} | {', '.join(kind.tasks)} |" in PAGE


@pytest.mark.parametrize("name", ["methods", "files", "sizes"])
def test_the_tables_are_those_of_the_benchmark(name: str) -> None:
    (table,) = re.findall(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", PAGE, re.DOTALL)
    assert "headwise" in table
    assert len(table.splitlines()) >= 5
