"""A version with its card: what it says, what it lacks, and what the next version carries on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headwise import savedmodel
from headwise.errors import HeadNotFoundError, InvalidCardError, UnreadableModelError
from headwise.heads import Head, HeadCard, SignatureHeads, Temperature
from headwise.repository.card_writer import write_card
from headwise.repository.cards import read_card
from headwise.repository.revisions import read_revisions
from headwise.training.version import carry_on, read_carded
from support.graphs import node, read, saved_model

SIGMOID = Head("binary", "sigmoid", ("no", "yes"))


def version(folder: Path, op: str = "Sigmoid", head: Head | None = SIGMOID) -> Path:
    """A version whose output `y`, one unit, is made by `op`."""
    folder.mkdir(parents=True)
    model = saved_model({"y": ("y:0", (None, 1))}, node("x", "MatMul", shape=(None, 1)), node("y", op, "x:0"))
    read(folder, model)
    if head is not None:
        write_card(folder, HeadCard(1, {"serving_default": SignatureHeads({"y": head})}))
    return folder


def test_a_version_with_a_valid_card_tells_its_heads(tmp_path: Path) -> None:
    carded = read_carded(version(tmp_path / "1"))

    assert carded.heads("serving_default") == carded.heads("serving_default", "y") == {"y": SIGMOID}
    with pytest.raises(HeadNotFoundError, match="no head of signature 'other'; it describes those of 'serving_def"):
        carded.heads("other")
    with pytest.raises(HeadNotFoundError, match="no head 'z'; the card describes 'y'"):
        carded.heads("serving_default", "z")


def test_what_is_not_there_or_not_right_is_told_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModelError, match=r"missing/saved_model\.pb: not found"):
        read_carded(tmp_path / "missing")
    with pytest.raises(HeadNotFoundError, match=r"bare: has no head card .*: headwise attach .*bare"):
        read_carded(version(tmp_path / "bare", head=None))
    with pytest.raises(InvalidCardError, match=r"^.*contrary/assets\.extra/head\.json: .*\(HW108\)$"):
        read_carded(version(tmp_path / "contrary", head=Head("binary", "linear", ("no", "yes"))))


def test_the_next_version_takes_along_what_lay_beside_the_card(tmp_path: Path) -> None:
    old, draft = version(tmp_path / "1"), version(tmp_path / ".draft", "Identity", head=None)
    (old / "assets.extra" / "notes.txt").write_text("kept")
    other = Head("regression", "linear")
    written = carry_on(old, draft, HeadCard(1, {"serving_default": SignatureHeads({"y": other})}))

    assert (draft / "assets.extra" / "notes.txt").read_text() == "kept"
    found = read_card(draft)
    assert found is not None
    assert found.card == written
    assert written.heads_of("serving_default") == {"y": other}
    assert written.heads_of("other") == {}


def test_earlier_cards_stay_with_their_version_and_the_evidence_follows_the_calibration(tmp_path: Path) -> None:
    old, draft = version(tmp_path / "1"), version(tmp_path / ".draft", head=None)
    fitted = replace(SIGMOID, calibration=Temperature(2.0))
    evidence = {"y": {"rows": 7, "model_fingerprint": savedmodel.read(old).fingerprint}, "z": "a note"}
    card = HeadCard(1, {"serving_default": SignatureHeads({"y": fitted})}, evidence=evidence)
    write_card(old, card)
    assert len(read_revisions(old)) == 2

    written = carry_on(old, draft, card)

    assert [one.is_current for one in read_revisions(draft)] == [True]
    assert written.evidence == {
        "y": {"rows": 7, "model_fingerprint": savedmodel.read(draft).fingerprint},
        "z": "a note",
    }
    assert read_carded(draft).card == written


def test_a_card_that_the_next_version_contradicts_is_refused(tmp_path: Path) -> None:
    old, draft = version(tmp_path / "1"), version(tmp_path / ".draft", "Softmax", head=None)
    with pytest.raises(InvalidCardError, match="HW108"):
        carry_on(old, draft, read_carded(old).card)
