"""Medians and spreads over the rounds, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serving.sides import HEADWISE, NOOP, PLAIN

Record = Mapping[str, Any]

MEASURED = ("rate", "p50_ms", "p90_ms", "p99_ms", "max_ms", "cpu_us", "client_cpu_us", "microseconds", "ratio")


def grouped(records: Iterable[Record], *names: str) -> dict[tuple[Any, ...], list[Record]]:
    """By the values of these fields, in the order in which they come up."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(tuple(record.get(name) for name in names), []).append(record)
    return groups


def median(records: Sequence[Record], name: str) -> float | None:
    """Over the rounds; None if one of them failed or did not measure it."""
    if not records or any("failed" in record or record.get(name) is None for record in records):
        return None
    return statistics.median(record[name] for record in records)


def spread(records: Sequence[Record], name: str) -> str:
    """`least..most` over the rounds."""
    values = [record[name] for record in records if record.get(name) is not None]
    return f"{number(min(values))}..{number(max(values))}" if values else ""


def number(value: float | None) -> str:
    """Three digits that say something."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ratio(of: float | None, to: float | None) -> str:
    """`of` over `to`."""
    return "-" if of is None or not to else f"{of / to:.3g}x"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def compared(records: Sequence[Record], *columns: str) -> str:
    """A row for each side within each value of the columns: rate with its spread, times, CPU, ratios."""
    rows = []
    for cell in grouped(records, *columns).values():
        sides = {side: group for (side,), group in grouped(cell, "side").items()}
        plain, noop = (median(sides.get(name, []), "rate") for name in (PLAIN, NOOP))
        for side, group in sides.items():
            rate = median(group, "rate")
            first = group[0]
            failed = next((record["failed"] for record in group if "failed" in record), None)
            rows.append(
                [
                    *(str(first.get(column, "")) for column in columns),
                    f"**{side}**" if side == HEADWISE else side,
                    str(first.get("workers", "")),
                    str(first.get("cores", "")),
                    *((f"FAILED: {failed}", "", "", "") if failed else _figures(group, rate)),
                    number(median(group, "cpu_us")),
                    ratio(rate, plain),
                    ratio(rate, noop),
                ]
            )
    header = [*columns, "side", "workers", "cores", "requests/s", "spread", "p50 ms", "p99 ms", "CPU us"]
    return markdown([*header, "to the plain gateway", "to the no-op"], rows)


def _figures(group: Sequence[Record], rate: float | None) -> tuple[str, str, str, str]:
    return number(rate), spread(group, "rate"), number(median(group, "p50_ms")), number(median(group, "p99_ms"))
