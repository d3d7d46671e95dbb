"""`headwise inspect`: a SavedModel's signatures, its card, and whether the card fits."""

import json
from pathlib import Path

import pytest

from support.command_line import headwise
from support.in_memory_gateway import BINARY, Models

PLATT = {"method": "platt", "slope": 0.7, "intercept": -0.2}
SOFTMAX_UNIT = {"output_0": {**BINARY, "activation": "softmax"}}


@pytest.fixture
def models(tmp_path: Path) -> Models:
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
        "refusal": None,
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
    for part in ("serving_default", "float32", "(?, 1)", "binary", "linear", "[red]no[/red],", "platt", "default"):
        assert part in " ".join(ended.out.split()), ended.out
    bare = headwise("inspect", models.add("raw", None))
    assert (bare.code, "no head card" in bare.out) == (0, True)


def test_a_refused_card_ends_with_1_and_says_why(models: Models) -> None:
    folder = models.add("wrong", SOFTMAX_UNIT)
    shown, told = headwise("inspect", folder), headwise("inspect", folder, "--json")
    assert (shown.code, told.code) == (1, 1)
    assert "refused" in shown.out
    assert "one softmax unit" in shown.out
    assert "one softmax unit" in json.loads(told.out)["refusal"]


def test_a_model_that_cannot_be_read_ends_with_1(models: Models) -> None:
    folder = models.add("corrupt", {"output_0": BINARY})
    (folder / "saved_model.pb").write_bytes(b"no SavedModel")
    ended = headwise("inspect", folder, "--json")
    assert ended.code == 1
    assert "saved_model.pb" in json.loads(ended.out)["refusal"]


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
