"""One entry of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headwise.diagnostics.diagnostic import Diagnostic, Severity
from headwise.diagnostics.facts import Facts


@dataclass(frozen=True, slots=True)
class Milder:
    """Where an error is only a warning. when: in words, for the page."""

    when: str
    holds: Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that can be wrong with a head.

    what, why, fix: sentences for the page; `fix` also goes into the diagnostic. example: Python that shows it.
    check: the message with this head's particulars, None where nothing is wrong.
    """

    code: str
    severity: Severity
    title: str
    what: str
    why: str
    fix: str
    example: str
    check: Callable[[Facts], str | None]
    milder: Milder | None = None

    def diagnose(self, facts: Facts) -> Diagnostic | None:
        """The finding about this head, if there is one."""
        message = self.check(facts)
        if message is None:
            return None
        severity = "warning" if self.milder and self.milder.holds(facts) else self.severity
        return Diagnostic(self.code, severity, facts.where, message, self.fix)
