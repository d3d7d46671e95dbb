"""Numbers in paths and headers."""

from __future__ import annotations

MOST_DIGITS = 40
"""More than any number here has; Python itself refuses some thousands."""


def whole_number(text: str) -> int | None:
    """ASCII digits as a number; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None
