"""Taking a card back: an older document is written anew, if it fits the model as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwise.errors import CalibrationMismatchError, InvalidCardError
from headwise.repository.cards import CARD_PATH
from headwise.repository.golden_file import read_golden
from headwise.repository.revisions import read_revisions
from headwise.repository.rollback import roll_back
from support.model_repository import BINARY, add_model
from support.proofs import record, write_records


def document(model: str | None = None, **head: Any) -> bytes:
    """A card as a person wrote it: not as the writer would."""
    card: dict[str, Any] = {
        "signatures": {"serving_default": {"heads": {"output_0": BINARY | head}}},
        "card_version": 1,
    }
    return json.dumps(card | ({} if model is None else {"model": {"fingerprint": model}})).encode()


@pytest.fixture
def version(tmp_path: Path) -> Path:
    return add_model(tmp_path, "logit", {"output_0": BINARY})


def cards(version: Path, *documents: bytes) -> None:
    """The version's card, with those before it, oldest first."""
    *older, newest = documents
    history = version / CARD_PATH.with_name("head.history")
    history.mkdir(exist_ok=True)
    for number, one in enumerate(older, 1):
        (history / f"{number:04}.json").write_bytes(one)
    (version / CARD_PATH).write_bytes(newest)


CUT: dict[str, Any] = {"decision": {"rule": "threshold", "threshold": 0.9}}


def test_the_last_card_comes_back_byte_for_byte_with_what_it_decides(version: Path) -> None:
    cards(version, document(), document(**CUT))
    write_records(version, record(1.0, index=0))
    done = roll_back(version)

    assert (done.restored, done.changed.revision, done.changed.golden) == (1, 3, 1)
    assert (version / CARD_PATH).read_bytes() == document()
    assert [one.document for one in read_revisions(version)] == [document(), document(**CUT), document()]
    assert read_golden(version)[0].decided["output_0"].tolist() == [1]


def test_any_revision_comes_back_by_its_number_and_twice_is_there_and_back(version: Path) -> None:
    cards(version, document(labels=["a", "b"]), document(), document(**CUT))
    assert roll_back(version, 1).changed.revision == 4
    assert roll_back(version).restored == 3
    assert (version / CARD_PATH).read_bytes() == document(**CUT)
    assert len(read_revisions(version)) == 5


def test_a_card_that_is_broken_is_replaced_by_its_last_revision(version: Path) -> None:
    cards(version, document(), b"{")
    assert roll_back(version).changed.revision == 3
    assert (version / CARD_PATH).read_bytes() == document()


def test_a_card_that_is_gone_is_brought_back_by_its_last_revision(version: Path) -> None:
    cards(version, document(**CUT), document())
    (version / CARD_PATH).unlink()
    assert roll_back(version).restored == 1
    assert (version / CARD_PATH).read_bytes() == document(**CUT)


@pytest.mark.parametrize(
    ("older", "kind", "reason"),
    [
        (b"{", InvalidCardError, "Invalid JSON"),
        (document(labels=["a", "b", "c"]), InvalidCardError, "exactly 2"),
        (
            document("1/2/3/4", calibration={"method": "temperature", "temperature": 2.0}),
            CalibrationMismatchError,
            "HW116",
        ),
    ],
)
def test_a_card_that_does_not_fit_the_model_stays_where_it_is(
    version: Path, older: bytes, kind: type[Exception], reason: str
) -> None:
    cards(version, older, document())
    with pytest.raises(kind, match=reason) as refusal:
        roll_back(version)

    assert "head.history/0001.json" in str(refusal.value)
    assert (version / CARD_PATH).read_bytes() == document()
    assert len(read_revisions(version)) == 2


def test_what_cannot_be_taken_back_is_told(version: Path) -> None:
    with pytest.raises(InvalidCardError, match="no revision before the one that is there"):
        roll_back(version)
    with pytest.raises(InvalidCardError, match="its head card is as revision 1 was already"):
        roll_back(version, 1)
    with pytest.raises(InvalidCardError, match="has no revision 7"):
        roll_back(version, 7)
