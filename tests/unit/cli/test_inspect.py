"""`headwise inspect`: a SavedModel's signatures, its card, and whether the card fits."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.command_line import headwise
from support.in_memory_gateway import BINARY, Models

PLATT = {"method": "platt", "slope": 0.7, "intercept": -0.2}
SCREEN = {"rule": "threshold", "threshold": 0.2, "thresholds": {"screen": 0.1}}
PER_LABEL = {"rule": "per_label", "thresholds": {"a": 0.3}}
SOFTMAX_UNIT = {"output_0": {**BINARY, "activation": "softmax"}}


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    """An empty repository, and a terminal that is wide enough for one line a head."""
    monkeypatch.setenv("COLUMNS", "200")
    return Models(tmp_path / "models")


def test_a_version_as_json(models: Models) -> None:
    heads = {"output_0": {**BINARY, "calibration": PLATT}}
    folder = models.add("tumor", heads)
    ended = headwise("inspect", folder, "--json")
    assert ended.code == 0
    assert json.loads(ended.out) == {
        "signatures": {
            "serving_default": {
                "inputs": {"x": {"dtype": "float32", "shape": [None, 1]}},
                "outputs": {"output_0": {"dtype": "float32", "shape": [None, 1], "units": 1}},
            }
        },
        "card": {"card_version": 1, "signatures": {"serving_default": {"heads": heads}}},
        "diagnostics": [],
    }


def test_a_model_is_its_newest_version_and_a_repository_the_newest_of_each(models: Models) -> None:
    models.add("tumor", {"output_0": BINARY}, version=2)
    models.add("tumor", None, version=10)
    (newest,) = [json.loads(headwise("inspect", models.folder / "tumor", "--json").out)]
    assert newest["card"] is None
    keyed = json.loads(headwise("inspect", models.folder, "--json").out)
    assert keyed == {str(models.folder / "tumor" / "10"): newest}, "keyed by folder, be it one model or many"
    wine = models.add("wine", None)
    assert json.loads(headwise("inspect", models.folder, "--json").out).keys() == {*keyed, str(wine)}


def test_tables_show_signature_and_card_as_they_are_written(models: Models) -> None:
    labels = ["[red]no[/red]", "yes"]
    folder = models.add("tumor", {"output_0": {**BINARY, "labels": labels, "calibration": PLATT}})
    ended = headwise("inspect", folder)
    assert ended.code == 0
    for part in ("serving_default", "float32", "(?, 1)", "binary", "linear", "[red]no[/red], yes", "the card fits"):
        assert part in " ".join(ended.out.split()), ended.out
    bare = headwise("inspect", models.add("raw", None))
    assert (bare.code, "no head card" in bare.out) == (0, True)


@pytest.mark.parametrize(
    ("head", "shown"),
    [
        ({}, "none │ threshold 0.5 (default)"),
        ({"decision": SCREEN}, "threshold 0.2; named: screen 0.1"),
        ({"task": "multilabel", "labels": ["a"], "decision": PER_LABEL}, "thresholds a 0.3"),
        ({"calibration": PLATT}, "platt: slope 0.7, intercept -0.2"),
        ({"task": "regression", "labels": []}, "none │ -"),
    ],
)
def test_a_head_reads_well(models: Models, head: dict[str, Any], shown: str) -> None:
    ended = headwise("inspect", models.add("tumor", {"output_0": {**BINARY, **head}}))
    assert shown in " ".join(ended.out.split()), ended.out


def test_a_narrow_terminal_hides_no_label(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    ended = headwise("inspect", models.add("tumor", {"output_0": {**BINARY, "labels": ["x" * 40, "yes"]}}))
    assert ended.out.count("x") >= 40, ended.out


def test_a_refused_card_ends_with_1_and_says_why(models: Models) -> None:
    folder = models.add("wrong", SOFTMAX_UNIT)
    shown, told = headwise("inspect", folder), headwise("inspect", folder, "--json")
    assert (shown.code, told.code) == (1, 1)
    assert "refused" in shown.out
    assert "one softmax unit" in shown.out
    assert "the card fits" not in shown.out
    (diagnostic,) = json.loads(told.out)["diagnostics"]
    assert (diagnostic["code"], diagnostic["severity"]) == ("unsupported-head", "error")
    assert "one softmax unit" in diagnostic["message"]


def test_a_model_that_cannot_be_read_ends_with_1(models: Models) -> None:
    folder = models.add("corrupt", {"output_0": BINARY})
    (folder / "saved_model.pb").write_bytes(b"no SavedModel")
    ended = headwise("inspect", folder, "--json")
    assert ended.code == 1
    (diagnostic,) = json.loads(ended.out)["diagnostics"]
    assert diagnostic["code"] == "unreadable-model"
    assert "saved_model.pb" in diagnostic["message"]


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_what_is_no_model_ends_with_1_and_no_traceback(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "empty":
        path.mkdir()
    if kind == "file":
        path.write_text("x")
    ended = headwise("inspect", path)
    assert (ended.code, ended.out) == (1, "")
    assert f"headwise: {path}: no SavedModel, no model and no model repository" in ended.err
