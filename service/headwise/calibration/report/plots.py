"""Plots of a calibration: each takes a Calibrated and gives a matplotlib Figure. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.answers import answer
from headwise.calibration.measures.pairs import headline
from headwise.calibration.report import canvas, curves
from headwise.calibration.report.canvas import AFTER, BEFORE, CHOSEN, FAINT
from headwise.calibration.report.confusions import MOST_NAMED, label_counts, matrix, on_most
from headwise.calibration.report.curves import Panel
from headwise.calibration.report.lettering import drawn
from headwise.calibration.report.sets import Sets, sets_of
from headwise.errors import CalibrationError
from headwise.heads import Head
from headwise.heads.links import Float64

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from headwise.calibration.calibrate import Calibrated

MOST_PANELS = 12
"""Labels of a multilabel head that get a panel of their own: those that are on most often."""
_BINS = np.linspace(0.0, 1.0, 26)
_CURVES = {
    "precision": "#2364aa",
    "recall": "#2a9d4a",
    "F1": "#1b1b1b",
    "relative cost": "#b07d00",
    "accuracy of the answers": "#2364aa",
    "share answered": "#2a9d4a",
}


def reliability(calibrated: Calibrated) -> Figure:
    """Observed shares over predicted probabilities, before and after, with 95 % intervals and the rows of each bin."""
    figure, diagram = canvas.figure(9, 5.8), calibrated.evidence["reliability"]
    above, below = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(5, 1))
    for axis, counts, when, colour in zip(above, below, ("before", "after"), (BEFORE, AFTER), strict=True):
        _shares(axis, diagram[when], colour)
        axis.set_title(f"{when}: log loss {calibrated.evidence['log_loss'][when]:.4f}")
        _counts(counts, diagram[when], colour)
        counts.set_xlabel(f"probability ({diagram['of']})")
    above[0].set_ylabel("observed share")
    below[0].set_ylabel("rows" if diagram["of"] != "labels pooled" else "rows × labels")
    return figure


def scores(calibrated: Calibrated) -> Figure:
    """Histograms of the probabilities, one for each outcome: before and after, or of several labels each one after."""
    panels = _label_scores(calibrated) if calibrated.head.task == "multilabel" else _headline_scores(calibrated)
    figure, axes = canvas.panels(len(panels))
    for axis, (title, groups) in zip(axes, panels, strict=True):
        for (name, values), colour in zip(groups.items(), (BEFORE, AFTER), strict=True):
            counts = np.histogram(values, _BINS)[0]
            axis.stairs(counts, _BINS, fill=True, facecolor=colour, edgecolor=colour, alpha=0.45, label=name)
        axis.set(title=title, xlabel="probability", ylabel="rows", xlim=(0, 1))
        axis.set_yscale("symlog", linthresh=1.0)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.margins(y=0.05)
        axis.set_ylim(bottom=0)
    canvas.legend(figure, axes)
    return figure


def thresholds(calibrated: Calibrated) -> Figure:
    """Precision, recall, F1 and relative cost over the cut, the chosen cut marked.

    A relative cost of 1 is that of the cheaper of two constant answers; what costs more lies above the picture.

    For exclusive classes, or where the head abstains, the accuracy of the answers and their share over the limit.
    """
    found = curves.of(calibrated)
    shown = _shown(calibrated)
    found = tuple(panel for panel in found if calibrated.head.task != "multilabel" or panel.label in shown)
    names = drawn(calibrated.head.labels)
    figure, axes = canvas.panels(len(found))
    for axis, panel in zip(axes, found, strict=True):
        _curves(axis, panel, "abstention" if panel.label is None else names[panel.label])
    canvas.legend(figure, axes)
    return figure


def confusion(calibrated: Calibrated) -> Figure:
    """What was true over what is answered, rows without answer in a column of their own.

    For several labels the right and wrong answers of each.
    """
    prediction = answer(calibrated.head, calibrated.after)
    targets, names = calibrated.samples.targets, drawn(calibrated.head.labels)
    if prediction.decisions is not None:
        return label_counts(prediction.decisions, targets.astype(bool), names)
    assert prediction.indices is not None
    return matrix(prediction.indices, targets, names, abstains=prediction.abstained is not None)


def sets(calibrated: Calibrated) -> Figure:
    """How many rows have prediction sets of each size, and how often those of each class hold it.

    Raises: CalibrationError for a head without prediction sets.
    """
    found = sets_of(calibrated)
    if found is None:
        raise CalibrationError("the head has no prediction sets: tune them, with an objective such as coverage>=0.9")
    shown = np.sort(np.argsort(found.coverages, kind="stable")[:MOST_NAMED])
    figure = canvas.figure(9, max(3.6, 1.2 + 0.24 * len(shown)))
    sizes, by_class = figure.subplots(1, 2)
    sizes.bar(range(len(found.sizes)), found.sizes, color=AFTER)
    sizes.set(title=f"mean size {found.mean_size:.2f}", xlabel="classes in the set", ylabel="rows")
    sizes.xaxis.get_major_locator().set_params(integer=True)
    _coverages(by_class, found, shown, drawn(calibrated.head.labels))
    return figure


PLOTS: Mapping[str, Callable[[Calibrated], Figure]] = {
    "reliability": reliability,
    "scores": scores,
    "thresholds": thresholds,
    "confusion": confusion,
    "sets": sets,
}
"""By name, in the order in which a report shows them; `fitting` says which of them a head has."""


def fitting(head: Head) -> tuple[str, ...]:
    """The names of the plots that this head has: sets only where its decision has prediction sets."""
    has_sets = getattr(head.decision, "prediction_set", None) is not None
    return tuple(name for name in PLOTS if name != "sets" or has_sets)


def left_out(calibrated: Calibrated) -> int:
    """How many labels of a multilabel head have no panel of their own."""
    return len(calibrated.head.labels) - len(_shown(calibrated)) if calibrated.head.task == "multilabel" else 0


def _shares(axis: Axes, bins: Sequence[Mapping[str, Any]], colour: str) -> None:
    x = np.array([each["probability"] for each in bins])
    y = np.array([each["observed"] for each in bins])
    low, high = np.array([each["interval"] for each in bins]).reshape(-1, 2).T
    axis.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--")
    axis.errorbar(x, y, yerr=[np.maximum(y - low, 0), np.maximum(high - y, 0)], fmt="o-", color=colour, capsize=3)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))


def _counts(axis: Axes, bins: Sequence[Mapping[str, Any]], colour: str) -> None:
    low = [each["low"] for each in bins]
    width = [each["high"] - each["low"] for each in bins]
    axis.bar(low, [each["rows"] for each in bins], width, align="edge", color=colour, edgecolor="white", alpha=0.8)


Groups = Mapping[str, Float64]


def _headline_scores(calibrated: Calibrated) -> list[tuple[str, Groups]]:
    """Before and after: of the positive class by what was true, else of the answered class by whether it was right."""
    head, targets = calibrated.head, calibrated.samples.targets
    names = drawn(head.labels)
    no, yes = (f"true: {name}" for name in names) if head.task == "binary" else ("answer wrong", "answer right")
    panels: list[tuple[str, Groups]] = []
    for when, probabilities in (("before", calibrated.before), ("after", calibrated.after)):
        pairs = headline(probabilities, targets, head.task)
        p, happened = pairs.probabilities[:, 0], pairs.happened[:, 0]
        of = names[1] if head.task == "binary" else "answered class"
        panels.append((f"{when}: {of}", {no: p[~happened], yes: p[happened]}))
    return panels


def _label_scores(calibrated: Calibrated) -> list[tuple[str, Groups]]:
    after, targets = calibrated.after, calibrated.samples.targets.astype(bool)
    names = drawn(calibrated.head.labels)
    return [
        (names[at], {"label off": after[~targets[:, at], at], "label on": after[targets[:, at], at]})
        for at in _shown(calibrated)
    ]


def _shown(calibrated: Calibrated) -> list[int]:
    """The labels with a panel."""
    return on_most(calibrated.samples.targets, MOST_PANELS) if calibrated.head.task == "multilabel" else []


def _curves(axis: Axes, panel: Panel, name: str) -> None:
    for curve, values in panel.curves.items():
        told = f"{curve} ({panel.note})" if curve == "relative cost" else curve
        axis.plot(panel.cuts, values, label=told, color=_CURVES[curve])
    if panel.chosen is not None:
        axis.axvline(panel.chosen, color=CHOSEN, linestyle="--", linewidth=1.5, label="chosen cut")
    for cut in panel.named.values():
        axis.axvline(cut, color=FAINT, linestyle=":", linewidth=1.5, label="named cut")
    at = "" if panel.chosen is None else f" (chosen: {panel.chosen:.3g})"
    axis.set(title=name, xlabel=panel.axis + at, xlim=(0, max(1.0, panel.cuts[-1])), ylim=(0, 1.02))


def _coverages(axis: Axes, found: Sets, shown: NDArray[np.intp], names: Sequence[str]) -> None:
    coverages, (low, high) = found.coverages[shown], found.intervals
    errors = [np.maximum(coverages - low[shown], 0), np.maximum(high[shown] - coverages, 0)]
    places = np.arange(len(shown))
    axis.errorbar(coverages, places, xerr=errors, fmt="o", color=AFTER, capsize=3)
    axis.axvline(found.asked, color=CHOSEN, linestyle="--")
    axis.set_yticks(places, [names[at] for at in shown])
    axis.set_ylim(len(shown) - 0.5, -0.5)
    lowest = "" if len(shown) == len(names) else f"\n(the {len(shown)} lowest of {len(names)} classes)"
    axis.set(title=f"coverage {found.coverage:.3f}, asked {found.asked:g}", xlabel=f"{found.told}{lowest}")
