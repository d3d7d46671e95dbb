"""One finding about a head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]
"""error: answers are or will be wrong. warning: they may be. info: worth knowing."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """code: a key of the catalogue ("HW101"). where: signature and output, "" for the whole model."""

    code: str
    severity: Severity
    where: str
    message: str
    fix: str
