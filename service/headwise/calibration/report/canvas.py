"""Figures to draw on: without pyplot, and without a change to anybody's settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

BEFORE, AFTER, CHOSEN, FAINT = "#9a6324", "#2364aa", "#c1121f", "#6a6a6a"
_COLUMNS, _ENTRIES = 3, 4


def figure(width: float, height: float) -> Figure:
    """An empty figure; inches."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    return Figure(figsize=(width, height), layout="constrained")


def panels(count: int) -> tuple[Figure, list[Axes]]:
    """As many axes, in rows of three; one or two are larger."""
    columns = min(count, _COLUMNS)
    rows = -(-count // columns)
    width, height = ((7.0, 4.2), (4.6, 3.8), (3.4, 2.9))[columns - 1]
    drawn = figure(width * columns, height * rows)
    axes = np.asarray(drawn.subplots(rows, columns, squeeze=False)).ravel()
    for spare in axes[count:]:
        spare.set_axis_off()
    return drawn, list(axes[:count])


def square(classes: int, letters: int) -> tuple[float, float]:
    """Inches for a matrix of so many classes, with names of so many letters beside it and below it."""
    side = 2.8 + 0.28 * classes + 0.09 * letters
    return side + 1.2, side


def norm(*, faint: bool) -> Normalize:
    """How shares from 0 to 1 are coloured; faint: so that small ones can be seen."""
    from matplotlib.colors import PowerNorm  # noqa: PLC0415

    return PowerNorm(0.5 if faint else 1.0, vmin=0.0, vmax=1.0)


def legend(drawn: Figure, axes: Sequence[Axes]) -> None:
    """One for all axes, below them."""
    entries: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    rows = -(-len(entries) // _ENTRIES)
    drawn.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=-(-len(entries) // rows),
        frameon=False,
    )
