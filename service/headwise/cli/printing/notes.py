"""Sentences that several verbs say."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape


def show_unused(console: Console, columns: Sequence[str]) -> None:
    """Say which columns of the data were passed over."""
    if columns:
        console.print(f"columns that are neither input nor target: {escape(', '.join(columns))}", soft_wrap=True)
