"""docs/diagnostics.md holds the catalogue as it is."""

from __future__ import annotations

import runpy
from pathlib import Path

from headwise.diagnostics.catalogue import CATALOGUE

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "diagnostics.md").read_text("utf-8")


def test_the_catalogue_in_the_docs_is_the_generated_one() -> None:
    with_catalogue = runpy.run_path(str(DOCS / "diagnostics_page.py"))["with_catalogue"]

    assert with_catalogue(PAGE) == PAGE, "regenerate it: python docs/diagnostics_page.py"


def test_every_entry_is_told_once_and_can_be_linked_to() -> None:
    for code, entry in CATALOGUE.items():
        assert PAGE.count(f'<a id="{code.lower()}"></a>') == 1
        for text in (entry.title, entry.what, entry.why, entry.fix, entry.example.strip()):
            assert text in PAGE


def test_heads_page_links_to_entries_that_are_there() -> None:
    linked = {part.split(")")[0] for part in (DOCS / "heads.md").read_text("utf-8").split("diagnostics.md#")[1:]}

    assert linked
    assert linked <= {code.lower() for code in CATALOGUE}
