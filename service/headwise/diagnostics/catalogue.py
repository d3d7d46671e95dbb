"""CATALOGUE: what can be wrong with a head. Code, docs/diagnostics.md and tests all read this one table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from headwise.diagnostics.diagnostic import Diagnostic, Severity
from headwise.diagnostics.entry import Entry
from headwise.diagnostics.facts import Facts
from headwise.diagnostics.of_card import OF_CARD
from headwise.diagnostics.of_head import OF_HEAD
from headwise.diagnostics.of_metrics import OF_METRICS
from headwise.diagnostics.of_numbers import OF_NUMBERS
from headwise.diagnostics.of_targets import OF_TARGETS
from headwise.diagnostics.of_training import OF_TRAINING

CATALOGUE: Mapping[str, Entry] = {
    entry.code: entry
    for entry in sorted(
        (*OF_HEAD, *OF_CARD, *OF_TRAINING, *OF_METRICS, *OF_TARGETS, *OF_NUMBERS), key=lambda entry: entry.code
    )
}
"""By code."""

_ORDER: tuple[Severity, ...] = ("error", "warning", "info")
_CODE = re.compile(r"\bHW\d{3}\b")


def diagnose(facts: Facts) -> tuple[Diagnostic, ...]:
    """All that is wrong with one output, errors first."""
    return errors_first(found for entry in CATALOGUE.values() if (found := entry.diagnose(facts)) is not None)


def errors_first(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Errors, then warnings, then information; within these as they came."""
    return tuple(sorted(diagnostics, key=lambda found: _ORDER.index(found.severity)))


def code_in(text: str) -> str | None:
    """The first code of the catalogue that an error's text names."""
    return next((code for code in _CODE.findall(text) if code in CATALOGUE), None)
