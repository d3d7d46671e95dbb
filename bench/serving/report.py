"""The page that a run leaves: criteria, tables, who was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.criteria import CRITERIA
from serving.tables import LAYOUTS, Record, markdown, table


def page(facts: Mapping[str, Any], records: Sequence[Record], missing: Mapping[str, str], plots: Sequence[str]) -> str:
    """Markdown; plots: names of SVG files beside it."""
    about = [f"- {name}: {value}" for name, value in facts.items()]
    parts = [
        "# The gateway beside its peers and its limits",
        "Written by `make bench`; [bench/README.md](../README.md) says what is measured and how to read it.",
        "\n".join(about),
        "## What has to be shown",
        markdown(["criterion", "target", "measured", ""], [one.row(records) for one in CRITERIA]),
    ]
    if missing:
        parts += ["## Not measured", "\n".join(f"- {name}: {_one_line(why)}" for name, why in missing.items())]
    parts += [f"![{name}]({name})" for name in plots]
    for experiment, (title, layout) in LAYOUTS.items():
        found = [record for record in records if record["experiment"] == experiment]
        if found:
            parts += [f"## {title}", table(found, layout)]
    return "\n\n".join(parts) + "\n"


def _one_line(why: str) -> str:
    return " ".join(why.split())[:600]
