"""`headwise attach`: a card from what the graph shows and what the user says, or a refusal and no card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headwise.diagnostics.golden import GoldenRecord
from headwise.repository.cards import CARD_PATH, read_card
from headwise.repository.golden_file import GOLDEN_PATH, read_golden, write_golden
from headwise.savedmodel.reader import read_fingerprint
from support.command_line import Ended, headwise
from support.model_repository import add_model


def attach(folder: Path, arguments: str) -> Ended:
    return headwise("attach", folder, *arguments.split())


def heads(version: Path) -> dict[str, Any]:
    document = json.loads((version / CARD_PATH).read_bytes())
    shown: dict[str, Any] = document["signatures"]["serving_default"]["heads"]
    return shown


@pytest.mark.parametrize(
    ("recorded", "arguments", "head"),
    [
        ("logit", "--labels no,yes", {"task": "binary", "activation": "linear", "labels": ["no", "yes"]}),
        ("sigmoid", "--labels no,yes", {"task": "binary", "activation": "sigmoid", "labels": ["no", "yes"]}),
        ("softmax2", "--labels no,yes", {"task": "binary", "activation": "softmax", "labels": ["no", "yes"]}),
        ("softmax4", "--labels a,b,c,d", {"task": "multiclass", "activation": "softmax", "labels": [*"abcd"]}),
        ("multilabel", "--labels x,y,z", {"task": "multilabel", "activation": "sigmoid", "labels": [*"xyz"]}),
        ("logit", "--task regression", {"task": "regression", "activation": "linear"}),
        ("sigmoid", "--task regression", {"task": "regression", "activation": "sigmoid", "range": [0.0, 1.0]}),
        (
            "multilabel",
            "--labels a,b,c,d --task ordinal --encoding conditional",
            {"task": "ordinal", "activation": "sigmoid", "labels": [*"abcd"], "encoding": "conditional"},
        ),
    ],
)
def test_what_the_graph_shows_is_written(tmp_path: Path, recorded: str, arguments: str, head: dict[str, Any]) -> None:
    version = add_model(tmp_path, recorded, None)
    ended = attach(version.parent, arguments)
    assert (ended.code, ended.err) == (0, "")
    assert heads(version) == {"output_0": head}
    written = read_card(version)
    assert written is not None
    assert written.card.model is not None
    assert written.card.model.verified
    assert written.card.model.fingerprint == read_fingerprint(version)
    assert str(version / CARD_PATH) in ended.out
    assert f"output_0: activation {head['activation']}: read from the graph (" in ended.out
    assert f"output_0: task {head['task']}: " in ended.out


@pytest.mark.parametrize(
    ("recorded", "arguments", "code", "text"),
    [
        ("logit", "", 1, "no labels are given: give --labels"),
        ("logit", "--labels a,b,c", 1, "3 labels are given for one linear unit, which needs 2"),
        ("softmax4", "--labels a,b", 1, "(HW109)"),
        ("softmax4", "--labels a,b,c,d --task multilabel", 1, "softmax makes labels compete"),
        ("bad_softmax1", "--labels no,yes", 1, "one softmax unit is always 1"),
        ("logit", "--labels no,yes --activation sigmoid", 1, "sigmoid is given, but the graph applies linear"),
        ("steps", "--labels no,yes", 1, "say it with --activation"),
        ("broken", "--labels no,yes", 1, "saved_model.pb: not a SavedModel"),
        ("logit", "--labels no,yes --signature classify", 1, "has no signature 'classify'"),
        ("logit", "--labels no,yes --task ranking", 2, "--task ranking: it must be one of binary, multiclass"),
        ("logit", "--labels no,yes --labels yes,no", 2, "--labels: output output_0 is there twice"),
        ("logit", "--labels a=no,b=yes", 2, "'a' is no output; the outputs are output_0 (labels that hold = "),
        ("logit", "--labels no,yes --output y", 2, "--output y: the outputs are output_0"),
        ("logit", "--labels-from /no/such/file", 2, "--labels-from /no/such/file: cannot be read: No such file"),
        ("bytes", "--labels a,b", 1, "no output can have a head: a head reads floating numbers"),
        ("scalar", "--labels a,b", 1, "no output can have a head: a head reads floating numbers"),
        ("pair", "", 2, "no output gets a head: say which"),
        ("pair", "--labels off,on", 2, "which output is meant? Write --labels NAME=off,on, NAME one of hidden, prob"),
        ("pair", "--labels hidden=a,b", 1, "hidden: 2 linear units may be binary"),
    ],
)  # fmt: skip
def test_what_cannot_be_known_is_refused_and_nothing_is_written(
    tmp_path: Path, recorded: str, arguments: str, code: int, text: str
) -> None:
    version = add_model(tmp_path, recorded, None)
    before = sorted(version.rglob("*"))
    ended = attach(version, arguments)
    assert (ended.code, ended.out) == (code, "")
    assert text in " ".join(ended.err.split()), ended.err
    assert sorted(version.rglob("*")) == before


def test_several_outputs_are_described_by_name_and_others_stay_raw(tmp_path: Path) -> None:
    version = add_model(tmp_path, "pair", None)
    assert attach(version, "--labels prob=off,on").code == 0
    assert heads(version).keys() == {"prob"}
    replaced = attach(version, "--force --output hidden --task regression")
    assert replaced.code == 0
    assert "\n  prob: had a head, has none now\n" in replaced.out
    assert heads(version) == {"hidden": {"task": "regression", "activation": "linear"}}
    both = attach(version, "--force --output prob --labels off,on --task hidden=regression")
    assert (both.code, "has none now" in both.out) == (0, False)
    assert heads(version).keys() == {"prob", "hidden"}
    told = json.loads(attach(version, "--force --labels prob=off,on --json").out)
    assert told["dropped"] == ["hidden"]


def test_a_card_that_cannot_be_read_is_replaced_by_force(tmp_path: Path) -> None:
    version = add_model(tmp_path, "logit", {"output_0": {"task": "ranking"}})
    told = json.loads(attach(version, "--force --labels no,yes --json").out)
    assert told["dropped"] == []
    assert heads(version).keys() == {"output_0"}


def test_an_activation_that_the_graph_hides_is_the_users_word(tmp_path: Path) -> None:
    version = add_model(tmp_path, "steps", None)
    ended = attach(version, "--labels no,yes --activation linear")
    assert ended.code == 0
    assert "activation linear: given, and not verified" in ended.out
    written = read_card(version)
    assert written is not None
    assert written.card.model is not None
    assert not written.card.model.verified


def test_a_card_that_is_there_is_shown_and_only_replaced_by_force(tmp_path: Path) -> None:
    version = add_model(tmp_path, "logit", None)
    assert attach(version, "--labels benign,malignant").code == 0
    before = (version / CARD_PATH).read_bytes()
    ended = attach(version, "--labels no,yes")
    assert ended.code == 1
    assert "head.json: is there already, and --force would replace it" in ended.err
    assert '"malignant"' in ended.err
    assert (version / CARD_PATH).read_bytes() == before
    assert attach(version, "--labels no,yes --force").code == 0
    assert heads(version)["output_0"]["labels"] == ["no", "yes"]


@pytest.mark.parametrize("text", ["no, or never\nyes\n", '["no, or never", "yes"]', "\ufeffno, or never\r\nyes"])
def test_labels_from_a_file_may_hold_commas(tmp_path: Path, text: str) -> None:
    version = add_model(tmp_path / "models", "logit", None)
    file = tmp_path / "labels.txt"
    file.write_bytes(text.encode())
    assert headwise("attach", version, "--labels-from", file).code == 0
    assert heads(version)["output_0"]["labels"] == ["no, or never", "yes"]


@pytest.mark.parametrize("text", ['["a", 1]', '["a"', "[" * 100_000, "\xff"])
def test_a_file_without_labels_is_refused(tmp_path: Path, text: str) -> None:
    version = add_model(tmp_path / "models", "logit", None)
    file = tmp_path / "labels"
    file.write_bytes(text.encode("latin-1"))
    ended = headwise("attach", version, "--labels-from", file)
    assert ended.code == 2
    assert f"--labels-from {file}: " in ended.err


def test_the_newest_version_is_meant_and_json_says_what_was_written(tmp_path: Path) -> None:
    add_model(tmp_path, "logit", None, version=2)
    newest = add_model(tmp_path, "logit", None, version=10)
    ended = attach(newest.parent, "--labels no,yes --json")
    document = json.loads(ended.out)
    assert document["file"] == str(newest / CARD_PATH)
    assert document["card"] == json.loads((newest / CARD_PATH).read_bytes())
    assert document["because"]["output_0"][0].startswith("activation linear: read from the graph")
    assert (document["golden_records"], document["diagnostics"]) == (0, [])


@pytest.mark.parametrize("missing", ["nowhere", "empty"])
def test_what_is_no_model_is_named(tmp_path: Path, missing: str) -> None:
    (tmp_path / "empty").mkdir()
    ended = attach(tmp_path / missing, "--labels no,yes")
    assert (ended.code, ended.out) == (1, "")
    assert f"headwise: {tmp_path / missing}: " in ended.err


def test_a_refusal_is_one_json_document_too(tmp_path: Path) -> None:
    version = add_model(tmp_path, "logit", None)
    ended = attach(version, "--labels a,b,c --json")
    assert ended.code == 1
    error = json.loads(ended.out)["error"]
    assert error["code"] == "invalid-card"
    assert ended.err == f"headwise: {error['message']}\n"
    assert json.loads(attach(version, "--task ranking --json").out)["error"]["code"] == "configuration"


def test_a_folder_that_cannot_be_written_is_named_and_keeps_what_it_had(tmp_path: Path) -> None:
    version = add_model(tmp_path, "logit", None)
    (version / "assets.extra").write_text("where a folder should be")
    before = sorted(version.rglob("*"))
    ended = attach(version, "--labels no,yes --force")
    assert (ended.code, ended.out) == (1, "")
    assert f"headwise: {version}/assets.extra/" in ended.err
    assert "Not a directory" in ended.err
    assert sorted(version.rglob("*")) == before


def golden(version: Path, *raw: float, output: str = "output_0") -> None:
    """Golden records, one a number, that all decide for the first class."""
    records = (
        GoldenRecord(
            "serving_default",
            {"features": np.zeros((1, 4), np.float32)},
            {output: np.array([[value]], np.float32)},
            {output: np.array([0], np.int64)},
        )
        for value in raw
    )
    write_golden(version, records, "m")


def test_golden_records_are_decided_anew(tmp_path: Path) -> None:
    version = add_model(tmp_path, "logit", None)
    golden(version, -1.5, 2.5)
    ended = attach(version, "--labels no,yes")
    assert "golden records: 2 decided anew" in ended.out
    records = read_golden(version)
    assert [record.decided["output_0"].tolist() for record in records] == [[0], [1]]
    assert [record.outputs["output_0"].tolist() for record in records] == [[[-1.5]], [[2.5]]]
    assert attach(version, "--task regression --force").code == 0
    assert [dict(record.decided) for record in read_golden(version)] == [{}, {}]


def test_golden_records_that_contradict_the_card_refuse_it(tmp_path: Path) -> None:
    version = add_model(tmp_path, "steps", None)
    golden(version, 10.0, output="y")
    before = (version / GOLDEN_PATH).read_bytes()
    ended = attach(version, "--labels no,yes --activation sigmoid")
    assert ended.code == 1
    assert "the model's own answers contradict this card: sigmoid promises values in [0, 1]" in ended.err
    assert not (version / CARD_PATH).exists()
    assert (version / GOLDEN_PATH).read_bytes() == before


def test_golden_records_stay_where_the_card_cannot_be_written(tmp_path: Path) -> None:
    version = add_model(tmp_path, "logit", None)
    golden(version, 2.5)
    (version / CARD_PATH).mkdir()
    before = (version / GOLDEN_PATH).read_bytes()
    ended = attach(version, "--labels no,yes --force")
    assert ended.code == 2
    assert "cannot be written: " in ended.err
    assert (version / GOLDEN_PATH).read_bytes() == before
