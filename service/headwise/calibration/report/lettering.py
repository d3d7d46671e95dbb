"""Labels as a picture can show them: one short line, no formulas, only letters that the font has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

MOST_LETTERS = 26
MISSING = "?"


def drawn(labels: Sequence[str]) -> tuple[str, ...]:
    """For each label the text to draw; one that is not shown as it is carries its index, so that none is mistaken."""
    letters = _letters()
    return tuple(_drawn(index, label, letters) for index, label in enumerate(labels))


def _drawn(index: int, label: str, letters: Collection[int]) -> str:
    line = " ".join(label.split())
    known = "".join(letter if ord(letter) in letters else MISSING for letter in line)
    short = known if len(known) <= MOST_LETTERS else known[: MOST_LETTERS - 3].rstrip() + "..."
    # Two dollar signs would make matplotlib read a formula between them.
    text = short.replace("$", r"\$")
    return text if short == label else f"{index}: {text}"


def _letters() -> Collection[int]:
    from matplotlib.font_manager import FontProperties, findfont  # noqa: PLC0415

    return _letters_of(str(findfont(FontProperties())))


@lru_cache(maxsize=4)
def _letters_of(font: str) -> frozenset[int]:
    """The code points that have a glyph."""
    from matplotlib.font_manager import get_font  # noqa: PLC0415

    return frozenset(get_font(font).get_charmap())
