"""Errors of the catalogue as a refusal."""

from __future__ import annotations

from collections.abc import Iterable

from headwise.diagnostics.diagnostic import Diagnostic
from headwise.errors import InvalidCardError


def refuse_errors(found: Iterable[Diagnostic]) -> None:
    """Raises: InvalidCardError, one line an error, if there are any: `output_0: what is wrong. What to do (HW101)`."""
    lines = [
        f"{one.where or 'the model'}: {one.message}. {one.fix.rstrip('.')} ({one.code})"
        for one in found
        if one.severity == "error"
    ]
    if lines:
        raise InvalidCardError("\n".join(lines))
