"""Tables of the calibration benchmark, and the bootstrap over its runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from calibrating.ours import HEADWISE, UNCALIBRATED
from calibrating.runs import Array

NOISE = 1e-6
"""A relative change up to this is none: float32 rows miss 1 by as much."""
RESAMPLES = 10_000
Record = Mapping[str, Any]
Key = Callable[[Record], Any]


@dataclass(frozen=True)
class Figures:
    """change: mean log loss relative to uncalibrated, minus 1. worse: share of runs where it rose. worst: of one run.
    ece: mean change. ece_worse: share of runs where it rose by more than half a point. unfit: share of runs without
    a fit. seconds: median of one run.
    """

    runs: int
    change: float
    worse: float
    worst: float
    ece: float
    ece_worse: float
    unfit: float
    seconds: float


def compared(records: Iterable[Record]) -> list[Record]:
    """The records of every method but UNCALIBRATED, with `change` and `ece_change` against it in the same run."""
    listed = list(records)
    base = {_run(record): record for record in listed if record["method"] == UNCALIBRATED}
    return [
        {
            **record,
            "change": record["log_loss"] / base[_run(record)]["log_loss"] - 1.0,
            "ece_change": record["ece"] - base[_run(record)]["ece"],
        }
        for record in listed
        if record["method"] != UNCALIBRATED
    ]


def figures(records: Sequence[Record]) -> Figures:
    """Of one method's runs."""
    change, ece = _column(records, "change"), _column(records, "ece_change")
    unfit = [bool(record["note"]) and record["method"] != HEADWISE for record in records]
    return Figures(
        len(records),
        float(change.mean()),
        float((change > NOISE).mean()),
        float(change.max()),
        float(ece.mean()),
        float((ece > 0.005).mean()),
        float(np.mean(unfit)),
        float(np.median(_column(records, "seconds"))),
    )


def by_method(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Headwise first, the others by their mean."""
    groups = grouped(records, lambda record: record["method"])
    means = {method: _column(group, "change").mean() for method, group in groups.items()}
    ranked = sorted(groups, key=lambda method: (method != HEADWISE, means[method]))
    return {method: groups[method] for method in ranked}


def grouped(records: Iterable[Record], key: Key) -> dict[Any, list[Record]]:
    """In the order in which the keys come up."""
    groups: dict[Any, list[Record]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return groups


def difference(ours: Sequence[Record], peer: Sequence[Record], seed: int = 0) -> tuple[float, float, float]:
    """The mean of headwise's change minus the peer's, run by run, with its 95 % paired bootstrap interval."""
    theirs = {_run(record): record["change"] for record in peer}
    gaps = np.array([record["change"] - theirs[_run(record)] for record in ours if _run(record) in theirs])
    draws = np.random.default_rng(seed).integers(len(gaps), size=(RESAMPLES, len(gaps)))
    low, high = np.quantile(gaps[draws].mean(axis=1), (0.025, 0.975))
    return float(gaps.mean()), float(low), float(high)


def methods_table(records: Sequence[Record]) -> str:
    """Markdown: a row for each method."""
    groups = by_method(records)
    lines = [
        "| method | mean log loss | runs worse | worst run | ECE | ECE worse | no fit | headwise minus it, 95 % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method, group in groups.items():
        found = figures(group)
        gap = "" if method == HEADWISE or HEADWISE not in groups else _interval(difference(groups[HEADWISE], group))
        cells = [
            f"**{method}**" if method == HEADWISE else method,
            _percent(found.change),
            f"{found.worse:.1%}".replace("%", " %"),
            _percent(found.worst),
            f"{100 * found.ece:+.2f}",
            f"{found.ece_worse:.0%}".replace("%", " %"),
            f"{found.unfit:.0%}".replace("%", " %"),
            gap,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def crossed_table(records: Sequence[Record], title: str, key: Key) -> str:
    """Markdown: mean relative log loss and share of runs worse, a row for each group, a column for each method."""
    methods = list(by_method(records))
    lines = [f"| {title} | runs | " + " | ".join(methods) + " |", "|---" * (len(methods) + 2) + "|"]
    for group, members in grouped(records, key).items():
        found = {method: figures(of) for method, of in grouped(members, lambda record: record["method"]).items()}
        cells = [
            f"{_percent(found[method].change)} ({100 * found[method].worse:.0f})" if method in found else ""
            for method in methods
        ]
        lines.append(f"| {group} | {max(one.runs for one in found.values())} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def worst_runs(records: Sequence[Record], count: int = 8) -> str:
    """Headwise's worst runs, one a line."""
    ours = [record for record in records if record["method"] == HEADWISE and record["change"] > NOISE]
    worst = sorted(ours, key=lambda record: -float(record["change"]))[:count]
    return "\n".join(
        f"{of['subject']}, {of['size']} rows, seed {of['seed']}: {_percent(of['change'])}, {of['note']}" for of in worst
    )


def filled(page: str, tables: Mapping[str, str]) -> str:
    """The page with each table between its marks: `<!-- NAME -->` and `<!-- end -->`."""
    for name, table in tables.items():
        page = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", rf"\g<1>{table}\n\g<2>", page, flags=re.DOTALL)
    return page


def _run(record: Record) -> tuple[str, int, int]:
    return record["subject"], record["size"], record["seed"]


def _column(records: Iterable[Record], name: str) -> Array:
    return np.array([record[name] for record in records], np.float64)


def _percent(value: float) -> str:
    return f"{100 * value:+.1f} %"


def _interval(gap: tuple[float, float, float]) -> str:
    return f"{100 * gap[0]:+.2f} [{100 * gap[1]:+.2f}, {100 * gap[2]:+.2f}]"
