"""Every card that a version had can be found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwise.errors import InvalidCardError, UnreadableModelError
from headwise.heads import Head, HeadCard, SignatureHeads
from headwise.repository.card_writer import card_json, write_card
from headwise.repository.cards import CARD_PATH
from headwise.repository.revisions import HISTORY_PATH, find_revision, keep, previous, read_revisions


def labelled(positive: str) -> HeadCard:
    return HeadCard(1, {"serving_default": SignatureHeads({"output_0": Head("binary", "linear", ("no", positive))})})


def numbers(version: Path) -> list[tuple[int, bool]]:
    return [(one.number, one.is_current) for one in read_revisions(version)]


def test_a_version_without_card_has_no_revisions(tmp_path: Path) -> None:
    assert read_revisions(tmp_path) == ()
    with pytest.raises(InvalidCardError, match=r"has no head card .*; its revisions are none"):
        find_revision(tmp_path)
    with pytest.raises(InvalidCardError, match="no revision before the one that is there"):
        previous(tmp_path)


def test_each_card_that_is_replaced_becomes_an_older_revision(tmp_path: Path) -> None:
    for label in "abc":
        write_card(tmp_path, labelled(label))

    assert numbers(tmp_path) == [(1, False), (2, False), (3, True)]
    assert [one.document for one in read_revisions(tmp_path)] == [card_json(labelled(label)) for label in "abc"]
    assert find_revision(tmp_path).file == tmp_path / CARD_PATH
    assert find_revision(tmp_path, 2).file == tmp_path / HISTORY_PATH / "0002.json"
    assert (previous(tmp_path).number, previous(tmp_path, 2).number) == (2, 1)
    with pytest.raises(InvalidCardError, match=r"has no revision 4 of its head card .*; its revisions are 1, 2, 3"):
        find_revision(tmp_path, 4)
    with pytest.raises(InvalidCardError, match="no revision before 1"):
        previous(tmp_path, 1)


def test_a_card_that_was_kept_by_a_writer_that_was_killed_is_still_the_current_one(tmp_path: Path) -> None:
    document = write_card(tmp_path, labelled("a")).read_bytes()
    assert keep(tmp_path, document) == tmp_path / HISTORY_PATH / "0001.json"
    assert numbers(tmp_path) == [(1, True)]

    assert keep(tmp_path, document) is None
    write_card(tmp_path, labelled("b"))
    assert numbers(tmp_path) == [(1, False), (2, True)]


def test_a_card_that_is_gone_leaves_its_revisions(tmp_path: Path) -> None:
    write_card(tmp_path, labelled("a"))
    write_card(tmp_path, labelled("b")).unlink()

    assert numbers(tmp_path) == [(1, False)]
    assert previous(tmp_path).number == 1
    with pytest.raises(InvalidCardError, match="its revisions are 1"):
        find_revision(tmp_path)


def test_a_broken_card_is_kept_as_it_was(tmp_path: Path) -> None:
    write_card(tmp_path, labelled("a")).write_bytes(b"{")
    write_card(tmp_path, labelled("b"))

    assert find_revision(tmp_path, 1).document == b"{"


def test_other_files_in_the_history_are_no_revisions(tmp_path: Path) -> None:
    write_card(tmp_path, labelled("a"))
    write_card(tmp_path, labelled("b"))
    for name in ("notes.txt", "12.json", ".0009.json.x"):
        (tmp_path / HISTORY_PATH / name).write_bytes(b"")

    assert numbers(tmp_path) == [(1, False), (2, True)]


def test_a_history_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    write_card(tmp_path, labelled("a"))
    (tmp_path / HISTORY_PATH).write_bytes(b"")
    with pytest.raises(UnreadableModelError, match=r"head\.history: Not a directory"):
        read_revisions(tmp_path)
