"""The plots of a run: small SVG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from plot_style import OURS, STYLE
from serving.criteria import only
from serving.sides import HEADWISE
from serving.tables import Record, grouped, median

mpl.use("Agg")
from matplotlib import pyplot as plt

THEIRS = ("#8a8d91", "#b5763a", "#5b7fb0", "#9a5b86", "#7d8f3c", "#444444", "#c2a83e")


def write(records: Sequence[Record], folder: Path) -> list[str]:
    """`serving-NAME.svg` for what was measured; their names."""
    drawn = (
        ("rates", only(records, experiment="closed", subject="tumor"), "connections", "rate", "requests/s"),
        ("latency", only(records, experiment="open"), "share", "p99_ms", "p99, ms, by share of its own capacity"),
        ("cpu", only(records, experiment="closed", subject="tumor"), "connections", "cpu_us", "CPU us a request"),
        ("batches", only(records, experiment="batches"), "rows", "p50_ms", "median, ms, by rows a request"),
    )
    names = []
    with mpl.rc_context(STYLE):
        for name, found, along, figure, title in drawn:
            if found:
                names.append(f"serving-{name}.svg")
                _lines(found, along, figure, title).savefig(
                    folder / names[-1], metadata={"Date": None}, bbox_inches="tight"
                )
                plt.close("all")
    return names


def _lines(records: Sequence[Record], along: str, figure: str, title: str) -> Any:
    """A line for each side, and each form of body; both axes logarithmic."""
    drawing, axes = plt.subplots(figsize=(6.4, 3.2))
    colors = iter(THEIRS * 3)
    for (side, form), of_side in grouped(records, "side", "form").items():
        points = [(at, median(group, figure)) for (at,), group in grouped(of_side, along).items()]
        shown = [(at, value) for at, value in points if value is not None]
        color = OURS if side == HEADWISE else next(colors)
        label = side if form is None or side != HEADWISE else f"{side}, {form}"
        dash = "--" if form == "raw" else "-"
        axes.plot(
            *zip(*shown, strict=True), dash, marker="o", markersize=3, color=color, label=label
        ) if shown else None
    ticks = sorted({record[along] for record in records})
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel(along)
    axes.set_title(title, loc="left", fontsize=9)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return drawing
