"""Writes head cards: the one way from a HeadCard to head.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any

from headwise.heads import HeadCard
from headwise.repository.cards import CARD_PATH, parse_card
from headwise.repository.replacement import replace_file

_NAMED_FIRST = ("method", "rule")


def card_json(card: HeadCard) -> bytes:
    """The card as indented UTF-8 JSON, without optional fields that are None or empty; evidence stays whole.

    Raises: ValueError for a number in the evidence that JSON does not have (NaN, infinity).
    """
    return (json.dumps(_plain(card), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def write_card(version: Path, card: HeadCard) -> Path:
    """Write the card of a version folder, replacing the old one in one step; returns the card's path.

    A reader sees the old card or the new one, never a part of either, and never one that it would refuse.

    Raises: InvalidCardError; ValueError as `card_json`; OSError if it cannot be written.
    """
    document = card_json(card)
    parse_card(document)
    file = version / CARD_PATH
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
