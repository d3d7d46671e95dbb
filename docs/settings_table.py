"""Writes the table of settings into docs/settings.md: `python docs/settings_table.py`."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

from headwise.cli.serve import serve
from headwise.settings import Settings

PAGE = Path(__file__).with_name("settings.md")
_BETWEEN = re.compile(r"(?<=<!-- SETTINGS -->\n).*(?=<!-- end -->)", re.DOTALL)


def settings_table() -> str:
    """A Markdown table of all settings, in their order."""
    flags = inspect.signature(serve).parameters
    rows = [["setting", "default", "flag", "meaning"], ["---"] * 4]
    for name, field in Settings.model_fields.items():
        flag = f"`--{name.replace('_', '-')}`" if name in flags else ""
        rows.append([f"`{name}`", _shown(field.default), flag, field.description or ""])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def with_table(page: str) -> str:
    """The page with the table as it is now."""
    return _BETWEEN.sub(lambda _: settings_table(), page)


def _shown(default: Any) -> str:
    return "" if default in (None, frozenset(), ()) else f"`{default}`"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
