"""Right and wrong answers as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.metrics import confusion_matrix
from headwise.calibration.report import canvas
from headwise.calibration.report.canvas import AFTER, BEFORE, CHOSEN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Booleans = NDArray[np.bool_]

MOST_NAMED = 25
"""Classes whose names and counts can still be read."""
_SHORT = 10
"""Letters of a name that has its place below a column."""
MOST_BARS = 50
"""Labels of a multilabel head whose answers get a bar: those that are on most often."""


def matrix(answers: NDArray[np.int64], targets: NDArray[Any], names: Sequence[str], *, abstains: bool) -> Figure:
    """A row for each class that is true, a column for each answer; -1, no answer, has the last one."""
    classes, many = len(names), len(names) > MOST_NAMED
    columns = [*names, "no answer"] if abstains else list(names)
    counts = confusion_matrix(np.where(answers < 0, classes, answers), targets, classes + 1)[:classes, : len(columns)]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    letters = 0 if many else max(map(len, columns))
    figure = canvas.figure(*canvas.square(min(classes, MOST_NAMED), letters))
    axis = figure.add_subplot()
    image = axis.imshow(shares, cmap="Blues", norm=canvas.norm(faint=many))
    figure.colorbar(image, ax=axis, label="share of the true class", shrink=0.8)
    told = f"{(answers >= 0).sum()} of " if abstains else ""
    axis.set_title(f"{told}{len(answers)} rows" + (" answered" if abstains else ""))
    if many:
        last = f"; {classes}: no answer" if abstains else ""
        axis.set(xlabel=f"answered (index of the class{last})", ylabel="true (index of the class)")
        return figure
    axis.set(xlabel="answered", ylabel="true")
    upright = len(columns) > 3 or max(map(len, columns)) > _SHORT
    axis.set_xticks(range(len(columns)), columns, rotation=90 if upright else 0)
    axis.set_yticks(range(classes), names)
    _write_counts(axis, counts, shares)
    return figure


def label_counts(decisions: Booleans, targets: Booleans, names: Sequence[str]) -> Figure:
    """A bar for each label: its rows that are rightly on, wrongly off and wrongly on; both (rows, labels)."""
    shown = on_most(targets, MOST_BARS)
    decisions, targets = decisions[:, shown], targets[:, shown]
    figure = canvas.figure(8.5, 1.6 + 0.26 * len(shown))
    axis = figure.add_subplot()
    left, places = np.zeros(len(shown)), range(len(shown))
    for name, hits, colour in (
        ("rightly on", decisions & targets, AFTER),
        ("wrongly off", ~decisions & targets, BEFORE),
        ("wrongly on", decisions & ~targets, CHOSEN),
    ):
        counts = hits.sum(axis=0)
        axis.barh(places, counts, left=left, label=name, color=colour)
        left = left + counts
    axis.set_yticks(places, [names[at] for at in shown])
    axis.invert_yaxis()
    axis.margins(y=0.02)
    of = "" if len(shown) == len(names) else f", the {len(shown)} labels of {len(names)} that are on most often"
    axis.set(xlabel="rows", title=f"{len(decisions)} rows{of}; those rightly off are left out")
    canvas.legend(figure, [axis])
    return figure


def on_most(targets: NDArray[Any], count: int) -> list[int]:
    """As many labels, in order: those that are on in the most rows; targets (rows, labels)."""
    return sorted(np.argsort(-targets.sum(axis=0), kind="stable")[:count].tolist())


def _write_counts(axis: Axes, counts: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    for (row, column), count in np.ndenumerate(counts):
        if count:
            shade = "white" if shares[row, column] > 0.5 else "black"
            axis.text(column, row, str(count), ha="center", va="center", color=shade, fontsize="small")
