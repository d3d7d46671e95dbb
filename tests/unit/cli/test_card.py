"""`headwise card`: what a card says, what changed, and back again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headwise.heads import (
    Abstain,
    Argmax,
    Cost,
    EachLabel,
    Head,
    HeadCard,
    Identity,
    PerLabel,
    Platt,
    PredictionSet,
    Prior,
    SignatureHeads,
    Temperature,
    Threshold,
)
from headwise.repository.card_writer import write_card
from headwise.repository.cards import CARD_PATH
from support.command_line import headwise
from support.model_repository import add_model

BINARY = Head("binary", "linear", ("no", "yes"))
EVIDENCE: dict[str, Any] = {
    "method": "temperature",
    "reason": "the simplest that is as good as the best",
    "rows": 171,
    "rows_per_class": {"no": 107, "yes": 64},
    "seed": 0,
    "candidates": [
        {"method": "identity", "log_loss": 0.5, "gain": 0.0, "standard_error": 0.0, "note": ""},
        {"method": "temperature", "log_loss": 0.4, "gain": 0.1, "standard_error": 0.01, "note": ""},
        {"method": "platt", "log_loss": None, "gain": None, "standard_error": None, "note": "too few rows"},
    ],
    "log_loss": {"before": 0.5, "after": 0.4, "before_interval": [0.45, 0.55], "after_interval": [0.38, 0.42]},
    "smooth_ece": {"before": 0.2, "after": 0.1},
    "changed_answers": 0.25,
    "warnings": ["few rows of 'yes'"],
    "decision": {"objective": "f1", "reason": "the cut with the best F1", "figures": {"f1": {"yes": 0.9}, "rows": 171}},
    "prior": {"source": "estimated", "data": "new.csv", "rows": 90, "intervals": [[0.1, 0.2], [0.8, 0.9]]},
    "data": "holdout.npz",
    "date": "2026-11-24",
    "expires": "2999-01-01",
}


def card(head: Head, **evidence: Any) -> HeadCard:
    return HeadCard(1, {"serving_default": SignatureHeads({"output_0": head})}, evidence=evidence)


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its card has been replaced once. The terminal is wide enough for one line a head."""
    monkeypatch.setenv("COLUMNS", "220")
    folder = add_model(tmp_path, "logit", None)
    write_card(folder, card(BINARY))
    write_card(folder, card(replace(BINARY, calibration=Temperature(1.25)), output_0=EVIDENCE))
    return folder


def test_a_card_is_shown_with_its_evidence_and_its_history(version: Path) -> None:
    ended = headwise("card", "show", version)
    assert (ended.code, ended.err) == (0, "")
    for told in (
        "head.json: revision 2",
        "temperature: temperature 1.25",
        "rows: 171 (no 107, yes 64)",
        "chosen: temperature: the simplest that is as good as the best",
        "│ +0.1000 (+0.0804 to +0.1196) │ chosen",
        "│        - │                            - │ too few rows",
        "0.5000 (0.4500 to 0.5500)",
        "0.4000 (0.3800 to 0.4200)",
        "│ smooth ECE │",
        "answers that changed: 25.0%",
        "decision for f1: the cut with the best F1",
        "f1 yes 0.9000, rows 171",
        "its target is estimated on 90 rows of new.csv, 95% intervals (0.1000 to 0.2000), (0.8000 to 0.9000)",
        "data holdout.npz, date 2026-11-24, expires 2999-01-01, seed 0",
        "warning few rows of 'yes'",
        "2 (current) │ 2026-11-24 │ output_0 temperature │ output_0 threshold 0.5 (default)",
        "1 │            │ output_0 none",
    ):
        assert told in ended.out, told


def test_an_older_revision_is_shown_by_its_number_and_all_of_it_as_json(version: Path) -> None:
    assert "│ none " in headwise("card", "show", version, "--revision", 1).out
    document = json.loads(headwise("card", "show", version, "--json").out)
    assert document["card"] == json.loads((version / CARD_PATH).read_bytes())
    assert [(one["revision"], one["current"]) for one in document["revisions"]] == [(1, False), (2, True)]
    assert (
        json.loads(headwise("card", "show", version, "--revision", 7, "--json").out)["error"]["code"] == "invalid-card"
    )


@pytest.mark.parametrize(
    "evidence", [[], "a note", {"candidates": 7, "log_loss": [], "decision": 1, "warnings": {}}, {}]
)
def test_evidence_of_any_form_is_no_reason_to_fail(version: Path, evidence: Any) -> None:
    write_card(version, card(BINARY, output_0=evidence))
    assert headwise("card", "show", version).code == 0


def test_a_card_that_is_none_is_shown_as_it_is(version: Path) -> None:
    (version / CARD_PATH).write_text('{"card_version": [/')
    ended = headwise("card", "show", version)
    assert ended.code == 0
    assert "refused" in ended.out
    assert '{"card_version": [/' in ended.out
    document = json.loads(headwise("card", "show", version, "--json").out)
    assert (document["card"], document["text"]) == (None, '{"card_version": [/')


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (replace(BINARY, calibration=Identity(), prior=Prior((0.4, 0.6), (0.9, 0.1))), "identity; prior 0.9, 0.1"),
        (replace(BINARY, decision=Threshold(0.3, {"screen": 0.1}, "f1")), "threshold 0.3 (f1); named: screen 0.1"),
        (
            replace(BINARY, decision=Cost(((0, 1), (5, 0)), abstain=Abstain(cost=0.3))),
            "0, 1; 5, 0; abstains by cost 0.3",
        ),
        (
            replace(
                BINARY,
                decision=Threshold(
                    prediction_set=PredictionSet("lac", 0.9, {"0.9": 0.8}), abstain=Abstain(0.8, 0.1, set=True), top_k=2
                ),
            ),
            "threshold 0.5; sets (lac) of coverage 0.9; abstains by floor 0.8, margin 0.1, set; top 2",
        ),
    ],
)
def test_what_a_head_decides_is_told_in_a_line(version: Path, head: Head, told: str) -> None:
    write_card(version, card(head))
    assert told in headwise("card", "show", version).out
    assert told in headwise("inspect", version).out


def test_heads_of_several_labels_and_classes_are_told_in_a_line(version: Path) -> None:
    labels = Head(
        "multilabel",
        "linear",
        ("a", "b"),
        calibration=EachLabel((Platt(2.0, 0.5), Identity())),
        decision=PerLabel({"a": 0.2, "b": 0.4}, "f1 (macro)"),
    )
    classes = Head("multiclass", "linear", ("a", "b"), decision=Argmax(objective="coverage>=0.9"))
    write_card(version, HeadCard(1, {"serving_default": SignatureHeads({"y": labels, "z": classes})}))
    shown = headwise("card", "show", version).out
    assert "per_label: platt, identity" in shown
    assert "thresholds a 0.2, b 0.4 (f1 (macro))" in shown
    assert "argmax (coverage>=0.9)" in shown


def test_two_revisions_are_compared_line_by_line(version: Path) -> None:
    ended = headwise("card", "diff", version)
    assert ended.code == 0
    assert ended.out.startswith("--- revision 1 ")
    assert '+            "method": "temperature",' in ended.out
    back = headwise("card", "diff", version, 2, 1)
    assert '-            "method": "temperature",' in back.out
    assert headwise("card", "diff", version, 2, 2).out == ""


def test_a_card_is_taken_back(version: Path) -> None:
    before = (version / CARD_PATH.with_name("head.history") / "0001.json").read_bytes()
    ended = headwise("card", "rollback", version)
    assert "revision 3, as revision 1 was" in ended.out
    assert (version / CARD_PATH).read_bytes() == before
    again = json.loads(headwise("card", "rollback", version, 2, "--json").out)
    assert again == {"file": str(version / CARD_PATH), "restored": 2, "revision": 4, "golden_records": 0}
    ended = headwise("card", "rollback", version, 2)
    assert (ended.code, "its head card is as revision 2 was already" in ended.err) == (1, True)


def test_a_model_without_card_has_nothing_to_show(tmp_path: Path) -> None:
    version = add_model(tmp_path, "logit", None)
    for verb in ("show", "diff", "rollback"):
        ended = headwise("card", verb, version)
        assert ended.code == 1
        assert "head card" in ended.err


def test_wrong_usage_ends_with_2(version: Path) -> None:
    assert headwise("card").code == 2
    assert headwise("card", "fly").code == 2
    assert headwise("card", "show", version, "--revision", 0).code == 2
