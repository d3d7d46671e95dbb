"""Diagnostics as JSON and in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from headwise.diagnostics.diagnostic import Diagnostic, Severity

if TYPE_CHECKING:
    from rich.console import Console

_STYLES: Mapping[Severity, str] = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def document(found: Diagnostic) -> dict[str, Any]:
    """As JSON carries it."""
    return {
        "code": found.code,
        "severity": found.severity,
        "where": found.where,
        "message": found.message,
        "fix": found.fix or None,
    }


def show(console: Console, diagnostics: Iterable[Diagnostic]) -> None:
    """Each once: Keras exports one output under two signatures, and what is wrong with one is wrong with both."""
    from rich.markup import escape

    places: dict[tuple[str, Severity, str, str], list[str]] = {}
    for found in diagnostics:
        places.setdefault((found.code, found.severity, found.message, found.fix), []).append(found.where)
    for (code, severity, message, fix), where in places.items():
        place = " ".join(["", *filter(None, [", ".join(filter(None, where))])])
        console.print(
            f"[{_STYLES[severity]}]{severity} {code}[/]{escape(place)}: {escape(message)}",
            *([f"  fix: {escape(fix)}"] if fix else []),
            sep="\n",
            soft_wrap=True,
        )
