"""Changes the card of a version that has one or gets one: card and golden records stay of one mind throughout."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from headwise.diagnostics.golden import GoldenRecord, decide_anew
from headwise.errors import ConfigurationError, HeadMismatchError, InvalidCardError
from headwise.heads import HeadCard
from headwise.repository.card_writer import card_json, changing_card, put_document
from headwise.repository.cards import CARD_PATH, parse_card
from headwise.repository.golden_file import GOLDEN_PATH, read_golden, write_golden
from headwise.repository.replacement import replace_file, sweep_drafts
from headwise.repository.revisions import HISTORY_PATH, find_revision


@dataclass(frozen=True, slots=True)
class Changed:
    """A card that was written. revision: its number. golden: how many records were decided anew."""

    file: Path
    revision: int
    golden: int


def change_card(version: Path, card: HeadCard, *, instead_of: str | None = None) -> Changed:
    """`change_document` with a card."""
    return change_document(version, card_json(card), instead_of=instead_of)


def change_document(version: Path, document: bytes, *, instead_of: str | None = None) -> Changed:
    """Write a card's JSON, and what it decides into the golden records beside it: a card changes no model's answers.

    A process that is killed in the midst leaves a version that serves: the old card or the new one, and golden records
    that hold under it (without decisions, between the two). A failure leaves all as it was.
    instead_of: the digest of the card that this one was made from; another's, written meanwhile, is not replaced.

    Raises: InvalidCardError for a card that is none, that the golden records contradict, or where another was written
    meanwhile; UnreadableModelError; ConfigurationError if it cannot be written.
    """
    # Before the lock: others that change the card change decisions only, which are written anew here.
    records = decided_anew(version, parse_card(document))
    try:
        with changing_card(version):
            sweep_drafts(version / GOLDEN_PATH)
            _check_same(version, instead_of)
            with _undone_on_failure(version):
                if _differ(records, read_golden(version)):
                    _write(version, tuple(replace(record, decided={}) for record in records))
                put_document(version, document)
                if records:
                    _write(version, records)
            return Changed(version / CARD_PATH, find_revision(version).number, len(records))
    except OSError as error:
        raise ConfigurationError(f"{error.filename or version}: cannot be written: {error.strerror}") from error


def decided_anew(version: Path, card: HeadCard) -> tuple[GoldenRecord, ...]:
    """The version's golden records, with what this card decides for their outputs.

    Raises: InvalidCardError where the outputs contradict the card; UnreadableModelError.
    """
    try:
        return tuple(decide_anew(record, card.heads_of(record.signature_name)) for record in read_golden(version))
    except HeadMismatchError as error:
        raise InvalidCardError(
            f"{version / GOLDEN_PATH}: the model's own answers contradict this card: {error} (HW118)"
        ) from error


def _check_same(version: Path, digest: str | None) -> None:
    if digest is None:
        return
    file = version / CARD_PATH
    if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
        raise InvalidCardError(
            f"{file}: another card was written meanwhile, and this one was made from the one before: nothing was "
            "written; run the command again"
        )


def _differ(records: tuple[GoldenRecord, ...], before: tuple[GoldenRecord, ...]) -> bool:
    """Whether a decision is another than before."""
    return any(
        new.decided.keys() != old.decided.keys()
        or any(not np.array_equal(new.decided[name], old.decided[name]) for name in new.decided)
        for new, old in zip(records, before, strict=True)
    )


def _write(version: Path, records: tuple[GoldenRecord, ...]) -> None:
    write_golden(version, records, version.absolute().parent.name)


@contextlib.contextmanager
def _undone_on_failure(version: Path) -> Iterator[None]:
    """Card, its history and golden records as they were, where the block fails; the card first."""
    files = (version / CARD_PATH, version / GOLDEN_PATH)
    before = {file: file.read_bytes() if file.exists() else None for file in files}
    history = set(_history(version))
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # the first failure is the one to tell
            for file, data in before.items():
                _restore(file, data)
            for added in set(_history(version)) - history:
                added.unlink()
            if not history:
                (version / HISTORY_PATH).rmdir()
        raise


def _restore(file: Path, data: bytes | None) -> None:
    if data is None:
        file.unlink(missing_ok=True)
    elif file.read_bytes() != data:
        replace_file(file, data)


def _history(version: Path) -> Iterator[Path]:
    return (version / HISTORY_PATH).glob("*.json")
