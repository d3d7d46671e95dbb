"""Writes head cards: the one way from a HeadCard to head.json. The card that is replaced is kept."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any

from headwise.heads import HeadCard
from headwise.repository.cards import CARD_PATH, parse_card
from headwise.repository.locking import locked
from headwise.repository.replacement import made_folder, replace_file, sweep_drafts
from headwise.repository.revisions import HISTORY_PATH, keep

_NAMED_FIRST = ("method", "rule")


_NUMBERS = re.compile(r'\[\n\s+([^][{}"]*)\n\s+\]')
"""A list of numbers over several lines; a text in JSON has no line feeds, so this is none."""


def card_json(card: HeadCard) -> bytes:
    """The card as indented UTF-8 JSON, without optional fields that are None or empty; evidence stays whole.

    A list of numbers is one line: some calibrators have hundreds.

    Raises: ValueError for a number in the evidence that JSON does not have (NaN, infinity).
    """
    text = json.dumps(_plain(card), indent=2, ensure_ascii=False, allow_nan=False)
    return (_NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n").encode()


def write_card(version: Path, card: HeadCard) -> Path:
    """Write the card of a version folder, replacing the old one in one step; returns the card's path.

    A reader sees the old card or the new one, never a part of either, and never one that it would refuse. The old one
    goes into the history (`revisions`).

    Raises: InvalidCardError; ValueError as `card_json`; OSError if it cannot be written.
    """
    document = card_json(card)
    parse_card(document)
    with changing_card(version):
        return put_document(version, document)


@contextlib.contextmanager
def changing_card(version: Path) -> Iterator[None]:
    """The only one to change the card of a version folder: others wait.

    Raises: OSError.
    """
    file = version / CARD_PATH
    with made_folder(file.parent), locked(file.parent):
        sweep_drafts(file)
        sweep_drafts(version / HISTORY_PATH / "*.json")
        yield


def put_document(version: Path, document: bytes) -> Path:
    """Write a card's JSON within `changing_card`, keeping the one before; nothing happens where it is the same.

    Raises: OSError.
    """
    file = version / CARD_PATH
    before = file.read_bytes() if file.exists() else None
    if before is not None and before != document:
        keep(version, before)
    if before != document:
        replace_file(file, document)
    return file


def _plain(value: object) -> object:
    """Dataclasses to dictionaries, tuples to lists; what a mapping holds stays, even where it is empty."""
    if is_dataclass(value) and not isinstance(value, type):
        shown = sorted(fields(value), key=lambda field: field.name not in _NAMED_FIRST)
        pairs = ((field, getattr(value, field.name)) for field in shown)
        return {field.name: _plain(held) for field, held in pairs if _is_told(field, held)}
    if isinstance(value, Mapping):
        return {key: _plain(held) for key, held in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(held) for held in value]
    return value


def _is_told(field: Field[Any], value: object) -> bool:
    required = field.default is MISSING and field.default_factory is MISSING
    return required or value not in (None, (), {})
