"""The card writer: everything that was said, nothing that was not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from headwise.errors import InvalidCardError
from headwise.heads import (
    Argmax,
    Head,
    HeadCard,
    ModelRecord,
    PerLabel,
    Platt,
    SignatureHeads,
    Temperature,
    Threshold,
)
from headwise.repository.card_writer import card_json, write_card
from headwise.repository.cards import CARD_PATH
from headwise.repository.revisions import HISTORY_PATH

BINARY = Head(
    task="binary",
    activation="linear",
    labels=("benign", "malignant"),
    calibration=Temperature(1.31),
    decision=Threshold(0.5, {"screening": 0.1}),
)
HEADS = [
    BINARY,
    Head(task="binary", activation="tanh", labels=("no", "yes"), calibration=Platt(2.0, -0.5)),
    Head(task="multiclass", activation="softmax", labels=("a", "b", "größer"), decision=Argmax()),
    Head(task="multilabel", activation="sigmoid", labels=("x", "y"), decision=PerLabel({"x": 0.2, "y": 0.8})),
    Head(task="ordinal", activation="linear", labels=("low", "high"), encoding="conditional"),
    Head(task="regression", activation="sigmoid", range=(0.0, 1.0)),
]


def card(head: Head, **rest: object) -> HeadCard:
    return HeadCard(1, {"serving_default": SignatureHeads({"output_0": head})}, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.task} {head.activation}")
def test_a_written_card_reads_back_as_it_was(head: Head) -> None:
    written = card(head, model=ModelRecord("123", verified=True), evidence={"output_0": {"rows": 171}})

    assert TypeAdapter(HeadCard).validate_json(card_json(written)) == written


def test_a_card_is_written_as_a_person_would_write_it() -> None:
    assert json.loads(card_json(card(BINARY))) == {
        "card_version": 1,
        "signatures": {
            "serving_default": {
                "heads": {
                    "output_0": {
                        "task": "binary",
                        "activation": "linear",
                        "labels": ["benign", "malignant"],
                        "calibration": {"method": "temperature", "temperature": 1.31},
                        "decision": {
                            "rule": "threshold",
                            "threshold": 0.5,
                            "thresholds": {"screening": 0.1},
                        },
                    }
                }
            }
        },
    }
    text = card_json(card(BINARY)).decode()
    assert text.startswith("{\n  ")
    assert text.endswith("}\n")
    assert text.index('"method"') < text.index('"temperature": ')


def test_a_list_of_numbers_is_one_line() -> None:
    evidence: dict[str, object] = {
        "y": {"interval": [0.125, -1e-9, None, True], "bins": [[1, 2], [3]], "texts": ["[\n 1,\n 2\n ]"], "none": []}
    }
    document = card_json(card(BINARY, evidence=evidence))

    assert b'"interval": [0.125, -1e-09, null, true]' in document
    assert b"[1, 2],\n" in document
    assert json.loads(document)["evidence"] == evidence


def test_required_fields_stay_even_where_they_are_empty() -> None:
    empty = HeadCard(1, {"serving_default": SignatureHeads({})})

    assert TypeAdapter(HeadCard).validate_json(card_json(empty)) == empty


def test_evidence_is_kept_whole() -> None:
    evidence: dict[str, object] = {"output_0": {"candidates": [], "expires": None, "log_loss": {"before": 0.11}}}

    assert json.loads(card_json(card(BINARY, evidence=evidence)))["evidence"] == evidence


def test_evidence_that_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        card_json(card(BINARY, evidence={"ece": float("nan")}))


def test_a_card_replaces_the_one_before_which_is_kept(tmp_path: Path) -> None:
    write_card(tmp_path, card(HEADS[1]))
    file = write_card(tmp_path, card(BINARY))

    assert file == tmp_path / CARD_PATH
    assert file.read_bytes() == card_json(card(BINARY))
    kept = tmp_path / HISTORY_PATH / "0001.json"
    assert sorted(tmp_path.rglob("*")) == [file.parent, kept.parent, kept, file]
    assert kept.read_bytes() == card_json(card(HEADS[1]))


def test_the_same_card_again_is_no_new_revision(tmp_path: Path) -> None:
    for _ in range(2):
        file = write_card(tmp_path, card(BINARY))

    assert list(file.parent.iterdir()) == [file]


def test_a_card_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    file = write_card(tmp_path, card(BINARY))
    with pytest.raises(ValueError, match="JSON"):
        write_card(tmp_path, card(BINARY, evidence={"ece": float("inf")}))

    assert file.read_bytes() == card_json(card(BINARY))
    assert list(file.parent.iterdir()) == [file]


def test_a_card_that_a_reader_would_refuse_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidCardError, match="card_version"):
        write_card(tmp_path, HeadCard(2, {}))  # type: ignore[arg-type]

    assert list(tmp_path.iterdir()) == []
