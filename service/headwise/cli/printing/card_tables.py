"""What `headwise card show` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from headwise.cli.printing import evidence
from headwise.cli.printing.heads_table import decision_text, heads_table, named_heads
from headwise.errors import InvalidCardError
from headwise.heads import Head
from headwise.repository.cards import parse_card
from headwise.repository.revisions import Revision


def show(console: Console, shown: Revision, revisions: Sequence[Revision]) -> None:
    """One revision with its evidence, and the list of all; of a card that is none, its text."""
    show_card(console, f"{shown.file}: revision {shown.number}", shown.document)
    if len(revisions) > 1:
        console.print(_history(revisions))


def show_card(console: Console, title: str, written: bytes) -> None:
    """A card with its evidence; of one that is none, its text."""
    console.print(f"[bold]{escape(title)}[/]", soft_wrap=True)
    try:
        card = parse_card(written)
    except InvalidCardError as error:
        console.print(f"[bold red]refused[/] {escape(str(error))}", soft_wrap=True)
        console.print(written.decode("utf-8", "replace"), markup=False, soft_wrap=True)
    else:
        console.print(heads_table(card))
        for output, told in card.evidence.items():
            console.print(f"[bold]{escape(output)}[/]")
            if isinstance(told, Mapping):
                evidence.show(console, told)
        if card.model is not None:
            console.print(f"model: {escape(str(card.model.fingerprint))}", soft_wrap=True)


def document(shown: Revision, revisions: Sequence[Revision]) -> dict[str, Any]:
    """The card as it is written; None, and its text, of a card that is no JSON."""
    card, text = _json(shown.document)
    return {
        "file": str(shown.file),
        "revision": shown.number,
        "card": card,
        **({} if text is None else {"text": text}),
        "revisions": [
            {
                "revision": one.number,
                "file": str(one.file),
                "current": one.is_current,
                "calibrations": {name: _method(head) for name, head in _heads(one).items()},
            }
            for one in revisions
        ],
    }


def _history(revisions: Sequence[Revision]) -> Table:
    """What each revision says of its heads, and when they were calibrated."""
    words = (Column(name, overflow="fold") for name in ("calibration", "decision"))
    table = Table(Column("revision", justify="right"), "date", *words)
    for one in reversed(revisions):
        number = f"{one.number}{' (current)' if one.is_current else ''}"
        heads = _heads(one).items()
        methods = "\n".join(f"{name} {_method(head)}" for name, head in heads)
        decisions = "\n".join(f"{name} {decision_text(head)}" for name, head in heads)
        table.add_row(number, *map(escape, (_dates(one), methods, decisions)))
    return table


def _heads(revision: Revision) -> dict[str, Head]:
    """By name; none of a card that is refused."""
    try:
        return dict(named_heads(parse_card(revision.document)))
    except InvalidCardError:
        return {}


def _method(head: Head) -> str:
    return "none" if head.calibration is None else head.calibration.method


def _dates(revision: Revision) -> str:
    try:
        found = parse_card(revision.document).evidence.values()
    except InvalidCardError:
        return ""
    dates = {str(told["date"]) for told in found if isinstance(told, Mapping) and "date" in told}
    return ", ".join(sorted(dates))


def _json(data: bytes) -> tuple[Any, str | None]:
    try:
        return orjson.loads(data), None
    except orjson.JSONDecodeError:
        return None, data.decode("utf-8", "replace")
