"""A writer of a card that is killed at any of its steps leaves a version that serves, and the next one tidies up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from headwise.diagnostics.golden import difference
from headwise.heads import Head, HeadCard, SignatureHeads, Threshold
from headwise.repository.card_change import change_card
from headwise.repository.card_writer import card_json, write_card
from headwise.repository.cards import CARD_PATH, read_card
from headwise.repository.golden_file import GOLDEN_PATH, read_golden
from headwise.repository.revisions import HISTORY_PATH, read_revisions
from support.proofs import record, write_records

KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from headwise.heads import Head, HeadCard, SignatureHeads, Threshold
from headwise.repository.card_change import change_card

STEPS = {"os.rename", "os.link", "os.remove", "os.mkdir"}
version, count = Path(sys.argv[1]), 0
head = Head("binary", "linear", ("no", "yes"), decision=Threshold(0.9))
card = HeadCard(1, {"serving_default": SignatureHeads({"output_0": head})})
while True:
    count += 1
    copy = version.parents[2] / f"killed-{count}" / "m" / "1"
    shutil.copytree(version, copy)
    if not (child := os.fork()):
        left = count

        def step(event, arguments):
            global left
            left -= event in STEPS
            if left == 0 and event in STEPS:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(step)
        change_card(copy, card)
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, -signal.SIGKILL), ended
    if ended == 0:
        break
"""


def cut_at(threshold: float) -> HeadCard:
    head = Head("binary", "linear", ("no", "yes"), decision=Threshold(threshold))
    return HeadCard(1, {"serving_default": SignatureHeads({"output_0": head})})


def is_of_one_mind(version: Path) -> bool:
    """Whether the card is valid and the golden records hold under it."""
    card = read_card(version)
    assert card is not None
    return not any(difference(one, one.outputs, card.card.heads_of(one.signature_name)) for one in read_golden(version))


def decided(version: Path) -> list[int]:
    return [int(one.decided["output_0"].item()) for one in read_golden(version)]


def test_a_writer_that_is_killed_at_any_step_leaves_a_version_that_serves(tmp_path: Path) -> None:
    version = tmp_path / "whole" / "m" / "1"
    version.mkdir(parents=True)
    write_card(version, cut_at(0.5))
    write_records(version, record(1.0), record(-1.0), record(9.0))
    subprocess.run([sys.executable, "-c", KILLED, str(version)], check=True, timeout=60)
    copies = [tmp_path / f"killed-{count}" / "m" / "1" for count in range(1, 30)]
    *killed, whole = [copy for copy in copies if copy.exists()]

    assert len(killed) > 5
    cards = set()
    for copy in killed:
        assert is_of_one_mind(copy), copy
        cards.add((copy / CARD_PATH).read_bytes())
        assert read_revisions(copy)[0].document == card_json(cut_at(0.5))
        # The next writer finishes what was begun, and tidies up.
        change_card(copy, cut_at(0.9))
        assert decided(copy) == [0, 0, 1]
        left = {str(one.relative_to(copy)) for one in copy.rglob("*") if one.is_file()}
        assert left == {str(CARD_PATH), str(GOLDEN_PATH), str(HISTORY_PATH / "0001.json")}
        assert [one.document for one in read_revisions(copy)] == [card_json(cut_at(0.5)), card_json(cut_at(0.9))]
    assert cards == {card_json(cut_at(0.5)), card_json(cut_at(0.9))}, "it was killed before and behind the card"
    assert decided(whole) == [0, 0, 1]
