"""Answers as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.markup import escape
from rich.table import Column, Table


def table(answers: Iterable[Any], *, several: bool) -> Table:
    """One line for each cell; columns in which nothing stands are left out. several: rows are objects by head name."""
    cells = [cell for number, answer in enumerate(answers) for cell in _cells(str(number), answer, several=several)]
    columns = {
        "row": [row for row, _, _ in cells],
        "answer": [f"{head} {_answer(single)}".strip() for _, head, single in cells],
        "probability": [_probability(single) for _, _, single in cells],
        "margin": [_number(single.get("margin")) for _, _, single in cells],
        "set": [", ".join(single["set"]["labels"]) or "none" if "set" in single else "" for _, _, single in cells],
        "top": [_top(single) for _, _, single in cells],
    }
    shown = {name: texts for name, texts in columns.items() if any(texts) or not cells}
    table = Table(*(Column(name, overflow="fold") for name in shown))
    for texts in zip(*shown.values(), strict=True):
        table.add_row(*map(escape, texts))
    return table


def _answer(single: dict[str, Any]) -> str:
    """A label, the labels that are on, values, or that there is none."""
    if single.get("abstained"):
        return "abstained"
    if "labels" in single:
        return ", ".join(single["labels"]) or "none"
    value = single.get("label", single.get("value"))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _probability(single: dict[str, Any]) -> str:
    """That of the label, or that of each label that is on."""
    if "labels" not in single:
        return _number(single.get("probability"))
    probabilities = single.get("probabilities")
    return ", ".join(_number(probabilities[index]) for index in single["indices"]) if probabilities else ""


def _top(single: dict[str, Any]) -> str:
    return ", ".join(f"{best['label']} {_number(best['probability'])}" for best in single.get("top", ()))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _cells(row: str, answer: Any, *, several: bool) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Row, head and answer of each cell: one, or one a head, or one a position (row 3.0, 3.1, …)."""
    if several:
        for name, part in answer.items():
            yield from _positions(row, part, name)
    else:
        yield from _positions(row, answer, "")


def _positions(row: str, answer: Any, head: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    if isinstance(answer, list):
        for position, part in enumerate(answer):
            yield from _positions(f"{row}.{position}", part, head)
    else:
        yield row, head, answer
