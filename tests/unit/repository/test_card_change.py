"""Card and golden records change together: whole, kept, and never at odds, whoever is killed when."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import pytest

from headwise.diagnostics.golden import difference
from headwise.errors import InvalidCardError, UnreadableModelError
from headwise.heads import Head, HeadCard, SignatureHeads, Threshold
from headwise.repository.card_change import change_card
from headwise.repository.card_writer import card_json, write_card
from headwise.repository.cards import CARD_PATH, read_card
from headwise.repository.golden_file import GOLDEN_PATH, read_golden
from headwise.repository.revisions import HISTORY_PATH, read_revisions
from support.proofs import record, write_records


def cut_at(threshold: float, positive: str = "yes") -> HeadCard:
    head = Head("binary", "linear", ("no", positive), decision=Threshold(threshold))
    return HeadCard(1, {"serving_default": SignatureHeads({"output_0": head})})


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """Its logit 1 is p = 0.73: positive at 0.5, and negative at 0.9."""
    folder = tmp_path / "m" / "1"
    folder.mkdir(parents=True)
    write_card(folder, cut_at(0.5))
    write_records(folder, record(1.0), record(-1.0), record(9.0))
    return folder


def is_of_one_mind(version: Path) -> bool:
    """Whether the card is valid and the golden records hold under it."""
    card = read_card(version)
    assert card is not None
    return not any(difference(one, one.outputs, card.card.heads_of(one.signature_name)) for one in read_golden(version))


def decided(version: Path) -> list[int]:
    return [int(one.decided["output_0"].item()) for one in read_golden(version)]


def test_a_card_is_changed_with_what_it_decides(version: Path) -> None:
    changed = change_card(version, cut_at(0.9))

    assert (changed.file, changed.revision, changed.golden) == (version / CARD_PATH, 2, 3)
    assert decided(version) == [0, 0, 1]
    assert is_of_one_mind(version)


def test_a_card_that_decides_alike_leaves_the_records_whole(version: Path) -> None:
    before = (version / GOLDEN_PATH).read_bytes()
    change_card(version, cut_at(0.6))

    assert (version / GOLDEN_PATH).read_bytes() == before


def test_a_card_that_the_records_contradict_changes_nothing(version: Path) -> None:
    before = {file: file.read_bytes() for file in version.rglob("*") if file.is_file()}
    head = Head("binary", "sigmoid", ("no", "yes"))
    with pytest.raises(InvalidCardError, match="the model's own answers contradict this card"):
        change_card(version, HeadCard(1, {"serving_default": SignatureHeads({"output_0": head})}))

    assert {file: file.read_bytes() for file in version.rglob("*") if file.is_file()} == before


def test_a_card_that_was_made_from_another_one_than_is_there_is_not_written(version: Path) -> None:
    read = hashlib.sha256((version / CARD_PATH).read_bytes()).hexdigest()
    change_card(version, cut_at(0.6), instead_of=read)
    with pytest.raises(InvalidCardError, match=r"another card was written meanwhile.* run the command again"):
        change_card(version, cut_at(0.7), instead_of=read)

    assert (version / CARD_PATH).read_bytes() == card_json(cut_at(0.6))


def test_a_failure_in_the_midst_leaves_all_as_it_was(version: Path) -> None:
    """The history cannot be written, which comes behind the first change of the golden records."""
    (version / HISTORY_PATH).write_bytes(b"where a folder should be")
    before = {file: file.read_bytes() for file in version.rglob("*") if file.is_file()}
    with pytest.raises(UnreadableModelError, match=r"head\.history: Not a directory"):
        change_card(version, cut_at(0.9))

    assert {file: file.read_bytes() for file in version.rglob("*") if file.is_file()} == before


def test_two_writers_at_once_lose_no_card(version: Path) -> None:
    names = [f"{writer}{at}" for writer in "ab" for at in range(8)]

    def write(writer: str) -> None:
        for name in names:
            if name.startswith(writer):
                change_card(version, cut_at(0.5, name))

    writers = [threading.Thread(target=write, args=(writer,)) for writer in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    written = [json.loads(one.document) for one in read_revisions(version)]
    labels = [card["signatures"]["serving_default"]["heads"]["output_0"]["labels"][1] for card in written]
    assert sorted(labels) == sorted(["yes", *names])
    assert [one.number for one in read_revisions(version)] == list(range(1, 18))
    assert is_of_one_mind(version)
