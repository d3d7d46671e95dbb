"""Medians and spreads over the rounds, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.sides import HEADWISE, NOOP, PLAIN

Record = Mapping[str, Any]


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
    return float(statistics.median(record[name] for record in records))


def spread(records: Sequence[Record], name: str) -> str:
    """`least..most` over the rounds."""
    values = [record[name] for record in records if record.get(name) is not None]
    return f"{number(min(values))}..{number(max(values))}" if values else ""


def number(value: float | None) -> str:
    """Three digits that say something."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ratio(of: float | None, to: float | None) -> str:
    """`of` over `to`."""
    return "-" if of is None or not to else f"{number(of / to)}x"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


@dataclass(frozen=True)
class Layout:
    """columns: the fields that make a row, with their titles. cell: those within which sides are compared.
    figures: what is shown of a row, with titles. to: sides that rates are divided by, with titles.
    """

    columns: Mapping[str, str]
    cell: Sequence[str]
    figures: Mapping[str, str]
    to: Mapping[str, str]


WHO = {"side": "side", "workers": "workers", "cores": "cores"}
LOADED = {"rate": "requests/s", "p50_ms": "p50 ms", "p99_ms": "p99 ms", "cpu_us": "CPU us"}
FLOW = {"rate": "requests/s", "p50_ms": "p50 ms", "p90_ms": "p90 ms", "p99_ms": "p99 ms", "max_ms": "max ms"}
GATEWAYS = {PLAIN: "to the plain gateway", NOOP: "to the no-op"}

LAYOUTS: Mapping[str, tuple[str, Layout]] = {
    "closed": (
        "Closed loop: one row a request",
        Layout({"subject": "model", "connections": "connections", **WHO}, ("subject", "connections"), LOADED, GATEWAYS),
    ),
    "open": (
        "Open loop: fixed rates, as shares of each side's own capacity",
        Layout({"share": "of capacity", **WHO, "asked_rate": "asked/s"}, ("share",), {**FLOW, "cpu_us": "CPU us"}, {}),
    ),
    "sizes": (
        "Body sizes: one row a request, 4 connections",
        Layout(
            {"numbers": "numbers", "form": "form", "bytes": "bytes", **WHO},
            ("numbers",),
            LOADED,
            {PLAIN: GATEWAYS[PLAIN]},
        ),
    ),
    "heads": (
        "Heads: top_k 5, 8 connections",
        Layout({"classes": "classes", **WHO}, ("classes",), LOADED, {PLAIN: GATEWAYS[PLAIN]}),
    ),
    "head alone": (
        "Head maths alone (`Head.answer`, top_k 5), beside one pass over the same numbers",
        Layout(
            {"classes": "classes", "activation": "activation", "rows": "rows"},
            (),
            {"microseconds": "us", "pass_us": "one pass us", "ratio": "passes"},
            {},
        ),
    ),
    "models": (
        "Models loaded: one is asked, 64 connections",
        Layout({"models": "models", **WHO}, (), LOADED, {}),
    ),
    "batches": (
        "Rows a request: one request at a time",
        Layout({"rows": "rows", "form": "form", **WHO}, ("rows",), LOADED, {PLAIN: GATEWAYS[PLAIN]}),
    ),
    "fairness": (
        "Fairness: 100 requests/s to one model, beside another",
        Layout({"beside": "beside", **WHO}, ("beside",), FLOW, {}),
    ),
    "stall": (
        "Stall: 100 small requests/s, beside large bodies",
        Layout({"beside": "beside", **WHO}, ("beside",), FLOW, {}),
    ),
}
"""By experiment: the title of its table, and how it is laid out."""


def table(records: Sequence[Record], layout: Layout) -> str:
    """A row for each side and setting: medians, the spread of the first figure, ratios of rates."""
    rows = []
    first = next(iter(layout.figures))
    for cell in grouped(records, *layout.cell).values():
        bases = [median([one for one in cell if one["side"] == side], "rate") for side in layout.to]
        for group in grouped(cell, *layout.columns).values():
            rate = median(group, "rate")
            shown = [number(median(group, name)) for name in layout.figures]
            failed = next((str(one["failed"]) for one in group if "failed" in one), None)
            if failed is not None:
                shown = [f"FAILED: {failed.splitlines()[0]}"] + [""] * (len(layout.figures) - 1)
            rows.append(
                [
                    *(_shown(name, group[0].get(name)) for name in layout.columns),
                    shown[0],
                    "" if failed is not None else spread(group, first),
                    *shown[1:],
                    *(ratio(rate, base) for base in bases),
                ]
            )
    figures = list(layout.figures.values())
    return markdown([*layout.columns.values(), figures[0], "spread", *figures[1:], *layout.to.values()], rows)


_PRINTED: Mapping[str, Callable[[Any], str]] = {
    "side": lambda value: f"**{value}**" if value == HEADWISE else str(value),
    "share": lambda value: f"{value:.0%}",
    "asked_rate": number,
}


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in _PRINTED:
        return _PRINTED[name](value)
    return f"{value:,}" if isinstance(value, int) else str(value)
