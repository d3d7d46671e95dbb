"""Text and tables of the page."""

from __future__ import annotations

import pytest

from headwise.calibration.report.tables import NOTHING, figures_tables, number, share, table, told


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, NOTHING),
        (True, "yes"),
        (12345, "12,345"),
        (0.123456, "0.1235"),
        (1e-7, "1e-07"),
        ([0.25, None], f"[0.25, {NOTHING}]"),
        ("as it is", "as it is"),
    ],
)
def test_numbers_are_short(value: object, text: str) -> None:
    assert number(value) == text


def test_words_are_escaped_and_hold_nothing_that_a_page_cannot() -> None:
    assert told('<b> & "q" \'') == "&lt;b&gt; &amp; &quot;q&quot; &#x27;"
    assert told("a\x00b\x07\ud800\uffff中\N{GRINNING FACE}") == "a�b���中\N{GRINNING FACE}"


def test_a_table_marks_what_was_chosen() -> None:
    text = table(("name", "<n>"), [("<a>", 1), ("b", 2.5)], chosen=[1])
    assert '<th scope="col">&lt;n&gt;</th>' in text
    assert '<tr><td>&lt;a&gt;</td><td class="number">1</td></tr>' in text
    assert '<tr class="chosen"><td>b</td><td class="number">2.5</td></tr>' in text


def test_figures_of_labels_and_of_several_objectives_have_tables_of_their_own() -> None:
    text = figures_tables(
        {
            "f1": {"rows": 10, "per_label": {"<a>": {"f1": 0.5}, "b": {"f1": None, "positives": 2}}},
            "coverage>=0.9": {"mean_size": 1.5, "coverage_per_class": {"a": 0.9}},
        },
        "label",
    )
    assert "<h4>f1</h4>" in text
    assert "<h4>coverage&gt;=0.9</h4>" in text
    assert '<td>&lt;a&gt;</td><td class="number">0.5</td><td>–</td>' in text
    assert "mean size" in text
    assert "0.9</td>" not in text, "the table by class has it"
    assert figures_tables({}, "label") == ""


def test_nothing_has_no_share() -> None:
    assert (share(1, 4), share(0, 0)) == (0.25, None)
