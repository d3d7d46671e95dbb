"""Writes HEAD_TABLE into docs/heads.md: `python docs/head_table.py`."""

from __future__ import annotations

import re
from pathlib import Path

from headwise.heads import HEAD_TABLE, Legal

PAGE = Path(__file__).with_name("heads.md")
_BETWEEN = re.compile(r"(?<=<!-- HEAD_TABLE -->\n).*(?=<!-- end -->)", re.DOTALL)


def head_table() -> str:
    """A Markdown table of all cells, with a footnote for each reason to refuse one."""
    activations = list(next(iter(HEAD_TABLE.values())))
    rows = [["task \\ activation", *activations], ["---"] * (len(activations) + 1)]
    reasons: list[str] = []
    for layout, cells in HEAD_TABLE.items():
        row = [str(layout)]
        for cell in cells.values():
            if isinstance(cell, Legal):
                row.append(cell.formula)
                continue
            reason = f"{cell.why}. Instead: {cell.instead} ([{cell.code}](diagnostics.md#{cell.code.lower()}))."
            if reason not in reasons:
                reasons.append(reason)
            row.append(f"refused ({reasons.index(reason) + 1})")
        rows.append(row)
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return table + "\n" + "".join(f"{number}. {reason}\n" for number, reason in enumerate(reasons, 1))


def with_table(page: str) -> str:
    """The page with the table as it is now."""
    return _BETWEEN.sub(lambda _: head_table(), page)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
