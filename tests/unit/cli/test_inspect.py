"""`headwise inspect`: a SavedModel's signatures, its card, and whether the card fits."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headwise.diagnostics.golden import GoldenRecord
from headwise.repository.cards import CARD_PATH
from headwise.repository.golden_file import GOLDEN_PATH, write_golden
from support.command_line import headwise
from support.in_memory_gateway import BINARY, Models
from support.model_repository import add_model

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
    version = add_model(models.folder, "logit", heads)
    ended = headwise("inspect", version, "--json")
    assert ended.code == 0
    document = json.loads(ended.out)
    assert document.keys() == {"signatures", "card", "golden_records", "diagnostics"}
    assert document["card"] == {"card_version": 1, "signatures": {"serving_default": {"heads": heads}}}
    assert document["diagnostics"] == []
    signature = document["signatures"]["serving_default"]
    assert signature["inputs"] == {"features": {"dtype": "float32", "shape": [None, 4]}}
    output = signature["outputs"]["output_0"]
    assert output.pop("path")[-1] == "AddV2 sequential_1/dense_1/Add"
    assert output == {"dtype": "float32", "shape": [None, 1], "units": 1, "activation": "linear"}


def test_an_output_that_is_not_floating_has_no_activation(models: Models) -> None:
    version = add_model(models.folder, "bytes", None)
    outputs = json.loads(headwise("inspect", version, "--json").out)["signatures"]["serving_default"]["outputs"]
    assert {output["dtype"] for output in outputs.values()} == {"string", "int32"}
    assert {(output["activation"], *output["path"]) for output in outputs.values()} == {(None,)}


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
    assert (diagnostic["code"], diagnostic["severity"]) == ("HW101", "error")
    assert "one softmax unit" in diagnostic["message"]


def test_a_card_that_contradicts_the_graph_ends_with_1(models: Models) -> None:
    version = add_model(models.folder, "sigmoid", {"output_0": BINARY})
    shown, told = headwise("inspect", version), headwise("inspect", version, "--json")
    assert (shown.code, told.code) == (1, 1)
    (diagnostic,) = json.loads(told.out)["diagnostics"]
    assert (diagnostic["code"], diagnostic["severity"], diagnostic["fix"]) == ("HW108", "error", None)
    assert "head.json: signatures.serving_default.heads.output_0: " in diagnostic["message"]
    assert "error HW108: " in shown.out
    assert "second sigmoid" in shown.out


def test_what_is_only_worth_knowing_ends_with_0(models: Models) -> None:
    version = add_model(models.folder, "softmax2", {"output_0": {**BINARY, "activation": "softmax"}})
    shown, told = headwise("inspect", version), headwise("inspect", version, "--json")
    assert (shown.code, told.code) == (0, 0)
    (diagnostic,) = json.loads(told.out)["diagnostics"]
    assert diagnostic["where"] == "serving_default.output_0"
    assert (diagnostic["code"], diagnostic["severity"]) == ("HW112", "info")
    assert "info HW112 serving_default.output_0: " in shown.out
    assert f"  fix: {diagnostic['fix']}" in shown.out


def test_a_head_that_answers_wrongly_ends_with_1_without_a_card_too(models: Models) -> None:
    version = add_model(models.folder, "bad_softmax1", None)
    ended = headwise("inspect", version, "--json")
    assert ended.code == 1
    assert json.loads(ended.out)["diagnostics"][0]["code"] == "HW101"


def test_a_model_without_card_gets_the_command_that_writes_one(models: Models) -> None:
    version = add_model(models.folder, "sigmoid", None)
    ended = headwise("inspect", version)
    assert ended.code == 0
    assert "output_0: sigmoid, 1 unit, as the graph shows: Sigmoid sequential_1_1/dense_1_1/Sigmoid" in ended.out
    assert f"  fix: headwise attach {version} --labels NEGATIVE,POSITIVE\n" in ended.out


def test_golden_records_are_counted_beside_a_card(models: Models) -> None:
    version = models.add("m", {"output_0": BINARY})
    assert json.loads(headwise("inspect", version, "--json").out)["golden_records"] == 0
    one = np.zeros((1, 1), np.float32)
    write_golden(version, [GoldenRecord("serving_default", {"x": one}, {"output_0": one}, {})] * 3, "m")
    assert json.loads(headwise("inspect", version, "--json").out)["golden_records"] == 3
    assert "\ngolden records: 3\n" in headwise("inspect", version).out
    (version / CARD_PATH).unlink()
    assert json.loads(headwise("inspect", version, "--json").out)["golden_records"] is None
    assert "golden records" not in headwise("inspect", version).out


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"\x01\x02", "record 1: the file ends within its length"), (b"x" * 99, "record 1: the checksum")],
)
def test_golden_records_that_cannot_be_read_end_with_1(models: Models, data: bytes, text: str) -> None:
    version = models.add("m", {"output_0": BINARY})
    (version / GOLDEN_PATH).write_bytes(data)
    shown, told = headwise("inspect", version), headwise("inspect", version, "--json")
    assert (shown.code, told.code) == (1, 1)
    document = json.loads(told.out)
    (diagnostic,) = document["diagnostics"]
    assert (diagnostic["code"], diagnostic["severity"]) == ("HW120", "error")
    assert diagnostic["message"].startswith(f"{version / GOLDEN_PATH}: {text}")
    assert (document["golden_records"], document["card"] is None) == (None, False)
    assert f"error HW120: {version / GOLDEN_PATH}: {text}" in shown.out
    assert "\ngolden records:" not in shown.out


def test_a_missing_card_is_told_once_for_several_outputs(models: Models) -> None:
    version = add_model(models.folder, "pair", None)
    (told,) = json.loads(headwise("inspect", version, "--json").out)["diagnostics"]
    assert (told["code"], told["where"]) == ("HW124", "serving_default.hidden, serving_default.prob")
    assert told["message"] == "there is no head card; hidden is linear, 2 units; prob is sigmoid, 1 unit"
    assert told["fix"].startswith(f"headwise attach {version} --labels hidden=")


@pytest.mark.parametrize(("recorded", "codes"), [("bad_softmax1", ["HW101"]), ("scalar", []), ("bytes", [])])
def test_no_card_is_asked_for_where_none_can_be_written(models: Models, recorded: str, codes: list[str]) -> None:
    version = add_model(models.folder, recorded, None)
    found = json.loads(headwise("inspect", version, "--json").out)["diagnostics"]
    assert [one["code"] for one in found] == codes


def test_a_model_that_cannot_be_read_ends_with_1_and_hides_no_other(models: Models) -> None:
    add_model(models.folder, "broken", None)
    add_model(models.folder, "logit", {"output_0": BINARY})
    (models.folder / "no_model").mkdir()
    ended = headwise("inspect", models.folder, "--json")
    assert ended.code == 1
    documents = json.loads(ended.out)
    assert [Path(folder).parent.name for folder in documents] == ["broken", "logit"]
    broken, good = documents.values()
    (diagnostic,) = broken["diagnostics"]
    assert (diagnostic["code"], diagnostic["severity"]) == ("unreadable-model", "error")
    assert "saved_model.pb" in diagnostic["message"]
    assert (broken["signatures"], broken["card"], good["diagnostics"]) == ({}, None, [])
    shown = headwise("inspect", models.folder)
    assert shown.code == 1
    assert "saved_model.pb: not a SavedModel" in shown.out
    assert "the card fits" in shown.out


def test_the_graph_file_stands_for_its_folder(models: Models) -> None:
    version = add_model(models.folder, "logit", {"output_0": BINARY})
    assert headwise("inspect", version / "saved_model.pb", "--json") == headwise("inspect", version, "--json")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("missing", "No such file or directory"),
        ("empty", "no SavedModel, no model, no model repository and no .keras file"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_is_no_model_ends_with_1_and_no_traceback(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "empty").mkdir()
    shown, told = headwise("inspect", tmp_path / name), headwise("inspect", tmp_path / name, "--json")
    assert (shown.code, shown.out, shown.err) == (1, "", f"headwise: {tmp_path / name}: {text}\n")
    assert (told.code, told.err) == (1, shown.err)
    assert json.loads(told.out) == {"error": {"code": "unreadable-model", "message": f"{tmp_path / name}: {text}"}}


def test_a_file_that_is_no_keras_archive_ends_with_1(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_text("x")
    ended = headwise("inspect", path, "--json")
    assert ended.code == 1
    (diagnostic,) = json.loads(ended.out)["diagnostics"]
    assert (diagnostic["code"], diagnostic["severity"]) == ("unreadable-model", "error")
    assert str(path) in diagnostic["message"]


def test_colours_only_where_they_are_wanted(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    version = add_model(models.folder, "sigmoid", {"output_0": BINARY})
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert "\x1b[" not in headwise("inspect", version).out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1;31merror HW108" in headwise("inspect", version).out
    assert "\x1b[" not in headwise("inspect", version, "--json").out


def test_a_keras_file_shows_its_layers_and_its_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    dense = {"name": "risk", "units": 1, "activation": "linear"}
    config = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "m", "layers": [{"module": "keras.layers", "class_name": "Dense", "config": dense}]},
        "compile_config": {"optimizer": "adam", "loss": "binary_crossentropy", "metrics": ["accuracy"]},
    }
    file = tmp_path / "model.keras"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.12.0"}))
        archive.writestr("config.json", json.dumps(config))
    shown, told = headwise("inspect", file), headwise("inspect", file, "--json")
    assert (shown.code, told.code) == (1, 1)
    document = json.loads(told.out)
    output = document["signatures"]["serving_default"]["outputs"]["output_0"]
    assert (output["units"], output["activation"], document["card"]) == (1, "linear", None)
    assert output["loss"]["name"] == "binary_crossentropy"
    assert [found["code"] for found in document["diagnostics"]][:1] == ["HW104"]
    for part in ("output_0", "linear", "binary_crossentropy", "accuracy", "error HW104"):
        assert part in shown.out
