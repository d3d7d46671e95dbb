"""Text and tables of the page, escaped."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

_NO_HTML = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]")
NOTHING = "–"
_BY_CLASS = ("coverage_per_class",)
"""Figures that the table by class has."""


def told(words: str) -> str:
    """Escaped, without what a page cannot hold."""
    return escape(_NO_HTML.sub("\N{REPLACEMENT CHARACTER}", words))


def number(value: object) -> str:
    """As a reader wants it: four digits, counts as they are, intervals in brackets, a dash for what nothing says."""
    match value:
        case None:
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.4g}"
        case list() | tuple():
            return f"[{', '.join(map(number, value))}]"
        case _:
            return str(value)


def share(part: float, whole: float) -> float | None:
    """None where there is no whole."""
    return float(part / whole) if whole else None


def table(header: Sequence[str], rows: Sequence[Sequence[object]], chosen: Collection[int] = ()) -> str:
    """Cells are texts or numbers; `chosen` are the indices of rows that stand out."""
    names = "".join(f'<th scope="col">{told(name)}</th>' for name in header)
    opened = ("<tr>", '<tr class="chosen">')
    lines = "".join(f"{opened[index in chosen]}{''.join(map(_cell, row))}</tr>\n" for index, row in enumerate(rows))
    return f'<div class="scroll"><table><thead><tr>{names}</tr></thead><tbody>\n{lines}</tbody></table></div>\n'


def figures_tables(figures: Mapping[str, Any], name_of_label: str) -> str:
    """Figures by name as one table; those that are by class or label as tables of their own.

    Those of several objectives stand under each one's text.
    """
    plain = {name: value for name, value in figures.items() if not isinstance(value, Mapping)}
    parts = [table(("figure", "value"), [(_name(name), value) for name, value in plain.items()])] if plain else []
    for name, nested in figures.items():
        if isinstance(nested, Mapping) and nested and name not in _BY_CLASS:
            parts.append(_nested(name, nested, name_of_label))
    return "".join(parts)


def _nested(name: str, nested: Mapping[str, Any], name_of_label: str) -> str:
    if name == "per_label" and all(isinstance(value, Mapping) for value in nested.values()):
        columns = list(dict.fromkeys(key for value in nested.values() for key in value))
        rows = [(label, *(value.get(column) for column in columns)) for label, value in nested.items()]
        return table((name_of_label, *map(_name, columns)), rows)
    return f"<h4>{told(name)}</h4>\n{figures_tables(nested, name_of_label)}"


def _name(name: str) -> str:
    return name.replace("_", " ")


def _cell(value: object) -> str:
    text = told(number(value))
    return f'<td class="number">{text}</td>' if isinstance(value, int | float | list | tuple) else f"<td>{text}</td>"
