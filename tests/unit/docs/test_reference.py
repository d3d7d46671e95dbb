"""The reference pages name everything that exists, with the values it has."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from headwise.access.scopes import EVERY, VERBS
from headwise.api.status import STATUSES, status_of
from headwise.errors import HeadwiseError
from headwise.settings import Settings
from headwise.telemetry.metric_table import METRICS, REFUSALS, VERSION_STATES, WATCHED_FILES

DOCS = Path(__file__).parents[3] / "docs"


def rows(page: str) -> dict[str, list[str]]:
    """The tables' rows by the code in their first cell."""
    lines = (DOCS / page).read_text("utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return {name: row[1:] for row in cells for name in re.findall(r"`([^`]+)`", row[0])}


def test_every_error_stands_with_its_statuses() -> None:
    documented = rows("errors.md")
    assert documented.keys() == {kind.code for kind in STATUSES}
    for kind in STATUSES:
        row, status = documented[kind.code], status_of(kind.__new__(kind))
        if len(row) > 1 or kind is HeadwiseError:
            assert row[:3] == [str(status.http), status.grpc.name, "yes" if status.retry_after else ""]


def test_every_setting_stands_with_its_default_its_flag_and_its_meaning() -> None:
    page = (DOCS / "settings.md").read_text("utf-8")
    with_table = runpy.run_path(str(DOCS / "settings_table.py"))["with_table"]
    assert with_table(page) == page, "regenerate it: python docs/settings_table.py"
    assert rows("settings.md").keys() == Settings.model_fields.keys()


def test_every_metric_stands_with_its_labels_and_its_meaning() -> None:
    documented = rows("metrics.md")
    labels = {label for metric in METRICS.values() for label in metric.labels}
    assert documented.keys() == METRICS.keys() | labels
    for name, metric in METRICS.items():
        assert documented[name] == [metric.kind, ", ".join(f"`{label}`" for label in metric.labels), metric.meaning]
    for values, told in ((REFUSALS, "reason"), (VERSION_STATES, "state"), (WATCHED_FILES, "what")):
        assert [value for value in values if f"`{value}`" not in documented[told][0]] == []


def test_every_verb_of_a_scope_stands_with_what_it_grants() -> None:
    assert rows("access.md").keys() == {*VERBS, EVERY}


def test_every_test_that_the_security_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[^`]+\.py)`", (DOCS / "security.md").read_text("utf-8"))
    assert len(named) > 20
    assert [name for name in named if not (DOCS.parent / name).is_file()] == []
