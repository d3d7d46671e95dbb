"""The plots of docs/calibration.md: small SVG files that come out the same from the same figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from calibrating.ours import HEADWISE
from calibrating.tables import Record, by_method, figures, grouped
from plot_style import OURS, STYLE

mpl.use("Agg")
from matplotlib import pyplot as plt

THEIRS = "#8a8d91"


def write(records: Sequence[Record], folder: Path) -> None:
    """`methods.svg` and `sizes.svg`."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, figure in (("methods", _methods(records)), ("sizes", _sizes(records))):
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
            plt.close(figure)


def _methods(records: Sequence[Record]) -> Any:
    """Every method's runs: from the 5th to the 95th percentile, quartiles thick, the mean as a dot."""
    groups = by_method(records)
    figure, axes = plt.subplots(figsize=(7.2, 0.36 * len(groups) + 0.9))
    for row, (method, group) in enumerate(groups.items()):
        found, color = figures(group), OURS if method == HEADWISE else THEIRS
        p5, p25, p75, p95 = 100 * np.quantile([record["change"] for record in group], (0.05, 0.25, 0.75, 0.95))
        axes.plot((p5, p95), (row, row), color=color, linewidth=1.2)
        axes.plot((p25, p75), (row, row), color=color, linewidth=6, solid_capstyle="butt")
        axes.plot(100 * found.change, row, "o", color="white", markeredgecolor=color, markersize=5.5, zorder=3)
        axes.text(1.01, row, f"{found.worse:.0%} worse", transform=axes.get_yaxis_transform(), va="center", color=color)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xscale("symlog", linthresh=25)
    axes.set_xlim(-80, 1000)
    axes.set_xticks((-50, -25, -10, 0, 10, 25, 100, 500), ("-50", "-25", "-10", "0", "+10", "+25", "+100", "+500"))
    axes.set_yticks(range(len(groups)), list(groups))
    axes.invert_yaxis()
    axes.set_xlabel("test log loss against uncalibrated, % (left is better)")
    return figure


def _sizes(records: Sequence[Record]) -> Any:
    """What each method makes of a number of calibration rows: the mean over the files that have runs of every size."""
    sizes = sorted(grouped(records, _size))
    files = grouped(records, lambda record: record["subject"])
    complete = {name for name, group in files.items() if len(grouped(group, _size)) == len(sizes)}
    figure, axes = plt.subplots(figsize=(7.2, 3.0))
    for method, group in by_method(record for record in records if record["subject"] in complete).items():
        points = [(size, 100 * figures(of).change) for size, of in sorted(grouped(group, _size).items())]
        ours = method == HEADWISE
        line = {"color": OURS, "linewidth": 2.4, "zorder": 3} if ours else {"linewidth": 1.1}
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=method, **line)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(-60, 60)
    axes.set_xlabel("calibration rows")
    axes.set_ylabel("mean log loss against\nuncalibrated, %")
    axes.legend(frameon=False, fontsize=7.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _size(record: Record) -> int:
    return int(record["size"])
