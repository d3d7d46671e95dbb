"""Labels as a picture can show them."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from headwise.calibration.report.lettering import MOST_LETTERS, drawn


def extent(text: str) -> float:
    """As matplotlib measures it; it warns of letters that its font lacks."""
    renderer: Any = FigureCanvasAgg(Figure()).get_renderer()  # type: ignore[no-untyped-call]
    return Figure().text(0, 0, text).get_window_extent(renderer).width


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("cat", "cat"),
        ("", ""),
        ("Ärger é", "Ärger é"),
        ("中文 cat", "0: ?? cat"),
        ("two\n lines\tand", "0: two lines and"),
        ("a" * 40, "0: " + "a" * (MOST_LETTERS - 3) + "..."),
        ("$a$", r"\$a\$"),
        ("\ud800", "0: ?"),
    ],
)
def test_what_cannot_be_shown_as_it_is_carries_its_index(label: str, shown: str) -> None:
    assert drawn([label]) == (shown,)


def test_labels_that_are_cut_alike_can_be_told_apart() -> None:
    labels = [f"{'long ' * 10}{index}" for index in range(3)]
    assert len(set(drawn(labels))) == 3


def test_dollars_are_no_formula() -> None:
    text = Figure().text(0, 0, drawn(["$x_1$"])[0])
    assert text._preprocess_math(text.get_text()) == ("$x_1$", False)  # type: ignore[attr-defined]


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40))
def test_any_label_is_drawn_without_a_warning(label: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extent(drawn([label])[0])
