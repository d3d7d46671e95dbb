"""What is shown of the way back, and what lies beneath an activation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwise.savedmodel import UNKNOWN
from headwise.savedmodel.trail import UntraceableError, beneath, shortened, shown


def test_a_long_path_loses_its_middle() -> None:
    path = [str(step) for step in range(101)]

    assert shown(path[:100]) == tuple(path[:100])
    assert shown(path) == (*path[:98], "…", "100")


def test_a_name_fits_a_line_and_writes_nothing_else_on_a_terminal() -> None:
    assert shortened("dense\x1b[2J\n") == "dense?[2J?"
    assert shortened("n" * 121) == "n" * 120 + "…"


@pytest.mark.parametrize(
    ("activation", "applied_to", "expected"),
    [
        ("sigmoid", ["relu"], "relu"),
        ("sigmoid", ["relu", "relu"], "relu"),
        ("sigmoid", ["relu", "tanh"], None),
        ("sigmoid", ["linear"], None),
        ("sigmoid", [UNKNOWN], None),
        ("sigmoid", [], None),
        ("linear", ["relu"], None),
        (UNKNOWN, ["relu"], None),
    ],
)
def test_what_lies_beneath_is_one_activation_or_not_known(
    activation: str, applied_to: list[str], expected: str | None
) -> None:
    assert beneath(activation, applied_to) == expected


def test_what_cannot_be_followed_is_not_known() -> None:
    def walk() -> Iterator[str]:
        yield "relu"
        raise UntraceableError

    assert beneath("sigmoid", walk()) is None
