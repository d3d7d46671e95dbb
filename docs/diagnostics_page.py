"""Writes the diagnostics catalogue into docs/diagnostics.md: `python docs/diagnostics_page.py`."""

from __future__ import annotations

import re
from pathlib import Path

from headwise.diagnostics.catalogue import CATALOGUE
from headwise.diagnostics.entry import Entry

PAGE = Path(__file__).with_name("diagnostics.md")
_BETWEEN = re.compile(r"(?<=<!-- CATALOGUE -->\n).*(?=<!-- end -->)", re.DOTALL)


def catalogue() -> str:
    """A Markdown table of all codes, then a section for each."""
    rows = ["| code | severity | title |", "| --- | --- | --- |"]
    rows += [f"| [{e.code}](#{e.code.lower()}) | {e.severity} | {e.title} |" for e in CATALOGUE.values()]
    return "\n".join(rows) + "\n\n" + "\n".join(_section(entry) for entry in CATALOGUE.values())


def with_catalogue(page: str) -> str:
    """The page with the catalogue as it is now."""
    return _BETWEEN.sub(lambda _: catalogue(), page)


def _section(entry: Entry) -> str:
    severity = f"{entry.severity}; a warning {entry.milder.when}" if entry.milder else entry.severity
    return (
        f'<a id="{entry.code.lower()}"></a>\n## {entry.code}: {entry.title}\n\n'
        f"*{severity}*\n\n{entry.what}\n\n**Why.** {entry.why}\n\n**Fix.** {entry.fix}\n\n"
        f"```python\n{entry.example.strip()}\n```\n"
    )


if __name__ == "__main__":
    PAGE.write_text(with_catalogue(PAGE.read_text("utf-8")), "utf-8")
