"""What a card's evidence says of one head, as tables; evidence is free JSON, and what has another form is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

FIGURES = {
    "log_loss": "log loss",
    "brier_score": "Brier score",
    "ece_equal_width": "ECE, equal width",
    "ece_equal_mass": "ECE, equal mass",
    "ece_debiased": "ECE, debiased",
    "ece_classwise": "ECE, classwise",
    "smooth_ece": "smooth ECE",
}
"""Those that are told before and after calibration, and how they are called."""

_PRIOR_SOURCES = {"request": "given by the user", "card before": "that of the card before"}
_MOST_CLASSES = 20
_TWO_SIDED = 1.96
"""Standard errors to either side that hold 95% of a normal distribution."""


def show(console: Console, evidence: Mapping[str, Any]) -> None:
    """Candidates, figures before and after, the decision, and what the user should know."""
    for line in _subject(evidence):
        console.print(escape(line), soft_wrap=True)
    if candidates := [one for one in _list(evidence.get("candidates")) if isinstance(one, Mapping)]:
        console.print(_candidates(candidates, evidence.get("method")))
    if told := {key: _map(evidence.get(key)) for key in FIGURES if _map(evidence.get(key))}:
        console.print(_before_after(told))
    for line in _decision(_map(evidence.get("decision"))):
        console.print(escape(line), soft_wrap=True)
    for warning in _list(evidence.get("warnings")):
        console.print(f"[yellow]warning[/] {escape(str(warning))}", soft_wrap=True)


def _subject(evidence: Mapping[str, Any]) -> Iterator[str]:
    """Rows, what was chosen and why, where it comes from."""
    if evidence.get("rows") is not None:
        yield f"rows: {evidence['rows']}{_per_class(_map(evidence.get('rows_per_class')))}"
    if evidence.get("method") is not None:
        reason = f": {evidence['reason']}" if evidence.get("reason") else ""
        chosen = evidence["method"]
        yield f"no calibration (identity){reason}" if chosen == "identity" else f"chosen: {chosen}{reason}"
    if isinstance(changed := evidence.get("changed_answers"), int | float):
        yield f"answers that changed: {changed:.1%}"
    if prior := _map(evidence.get("prior")):
        rows = f" on {prior['rows']} rows of {prior.get('data')}" if "rows" in prior else ""
        source = _PRIOR_SOURCES.get(str(prior.get("source")), prior.get("source"))
        yield f"prior correction: its target is {source}{rows}{_intervals(prior)}"
    names = {"data": "data", "data_sha256": "SHA-256", "date": "date", "expires": "expires", "seed": "seed"}
    if told := [f"{name} {evidence[key]}" for key, name in names.items() if evidence.get(key) is not None]:
        yield ", ".join(told)


def _intervals(prior: Mapping[str, Any]) -> str:
    intervals = [text for one in _list(prior.get("intervals")) if (text := _interval(one))]
    return f", 95% intervals{','.join(intervals)}" if intervals else ""


def _per_class(counts: Mapping[str, Any]) -> str:
    if not counts:
        return ""
    shown = [f"{label} {count}" for label, count in counts.items()][:_MOST_CLASSES]
    more = f" and {len(counts) - _MOST_CLASSES} more" if len(counts) > _MOST_CLASSES else ""
    return f" ({', '.join(shown)}{more})"


def _candidates(candidates: Iterable[Mapping[str, Any]], chosen: object) -> Table:
    table = Table(
        Column("method", overflow="fold"),
        Column("log loss", justify="right"),
        Column("gain (95%)", justify="right"),
        Column("note", overflow="fold"),
    )
    for one in candidates:
        is_chosen = one.get("method") == chosen
        table.add_row(
            escape(str(one.get("method"))),
            _number(one.get("log_loss")),
            _gain(one.get("gain"), one.get("standard_error")),
            "chosen" if is_chosen and not one.get("note") else escape(str(one.get("note") or "")),
            style="bold" if is_chosen else "",
        )
    return table


def _gain(gain: object, error: object) -> str:
    """Per row, over doing nothing, with its interval."""
    if not isinstance(gain, int | float):
        return "-"
    if not isinstance(error, int | float) or error == 0:
        return f"{gain:+.4f}"
    return f"{gain:+.4f} ({gain - _TWO_SIDED * error:+.4f} to {gain + _TWO_SIDED * error:+.4f})"


def _before_after(told: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(
        Column("figure", overflow="fold"),
        Column("before (95%)", justify="right"),
        Column("after, out of fold (95%)", justify="right"),
    )
    for key, figure in told.items():
        after = ((figure.get(when), figure.get(f"{when}_interval")) for when in ("before", "after"))
        table.add_row(FIGURES[key], *(f"{_number(value)}{_interval(interval)}" for value, interval in after))
    return table


def _interval(interval: object) -> str:
    match interval:
        case [int() | float() as low, int() | float() as high]:
            return f" ({low:.4f} to {high:.4f})"
        case _:
            return ""


def _decision(decision: Mapping[str, Any]) -> Iterator[str]:
    if not decision:
        return
    reason = f": {decision['reason']}" if decision.get("reason") else ""
    yield f"decision for {decision.get('objective')}{reason}"
    if figures := _map(decision.get("figures")):
        yield "  " + ", ".join(_figures(figures))


def _figures(figures: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Names and numbers; what is nested stands behind its name."""
    for key, value in figures.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _figures(value, f"{name} ")
        else:
            yield f"{name} {_text(value)}"


def _text(value: object) -> str:
    match value:
        case bool() | int() | str():
            return str(value)
        case float():
            return f"{value:.4f}"
        case [int() | float() as low, int() | float() as high]:
            return f"({low:.4g} to {high:.4g})"
        case list() | tuple():
            return ", ".join(map(_text, value))
        case _:
            return "-"


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else "-"


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
