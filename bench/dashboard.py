"""Draws the dashboard of deploy/grafana from a Prometheus that scrapes headwise, as Grafana would, into one picture.

python bench/dashboard.py http://127.0.0.1:9090 --minutes 5 --to docs/dashboard.png
"""

from __future__ import annotations

import argparse
import json
import math
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from plot_style import STYLE

DASHBOARD = Path(__file__).parents[1] / "deploy" / "grafana" / "dashboards" / "headwise.json"
STEPS, COLUMNS, DOTS_AN_INCH = 120, 3, 64
_MOST_NAMES = 8
_SCALES = {"percentunit": (100, "%"), "s": (1000, "ms")}


class Series(NamedTuple):
    """What a legend calls it, its labels, and its values (steps,); NaN where there is none."""

    name: str
    labels: dict[str, str]
    values: NDArray[np.float64]


def series(url: str, target: dict[str, Any], times: NDArray[np.float64], variables: dict[str, str]) -> list[Series]:
    """What a query of the dashboard brings, at evenly spaced times."""
    expression = target["expr"]
    for name, value in variables.items():
        expression = expression.replace(name, value)
    step = float(times[1] - times[0])
    asked = {"query": expression, "start": times[0], "end": times[-1], "step": step}
    answer = httpx.get(f"{url}/api/v1/query_range", params=asked, timeout=60).raise_for_status().json()
    found = []
    for one in answer["data"]["result"]:
        values = np.full(len(times), math.nan)
        for at, value in one["values"]:
            values[round((at - times[0]) / step)] = float(value)
        found.append(Series(_legend(target["legendFormat"], one["metric"]), one["metric"], values))
    return found


def _legend(form: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda name: labels.get(name[1], ""), form)


def draw(url: str, minutes: float, to: Path, *, job: str = "headwise") -> None:
    """All panels, of the last minutes."""
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    times = np.linspace(-60 * minutes, 0, STEPS)
    window = f"{max(int(60 * minutes / 15), 4)}s"
    variables = {"$job": job, "$instance": ".*", "$model": ".*", "$__rate_interval": window}
    mpl.rcParams.update(STYLE)
    height = -(-len(panels) // COLUMNS)
    figure, grid = plt.subplots(height, COLUMNS, figsize=(15, 2.6 * height), layout="constrained")
    now = time.time()
    for axes, panel in zip(grid.flat, panels, strict=False):
        found = [one for target in panel["targets"] for one in series(url, target, now + times, variables)]
        axes.set_title(panel["title"], fontsize=10, loc="left")
        if panel["type"] == "heatmap":
            _heatmap(axes, times, found)
        else:
            _lines(axes, times, found, panel["fieldConfig"]["defaults"])
        axes.set_xlim(times[0], 0)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("seconds")
    figure.savefig(to, dpi=DOTS_AN_INCH, metadata={"Software": None}, pil_kwargs={"optimize": True})
    plt.close(figure)


def _lines(axes: Any, times: NDArray[np.float64], found: Sequence[Series], drawn: dict[str, Any]) -> None:
    scale, unit = _SCALES.get(drawn["unit"], (1, ""))
    names = [one.name for one in found]
    values = [scale * one.values for one in found]
    if found and drawn["custom"]["stacking"]["mode"] == "normal":
        axes.stackplot(times, np.nan_to_num(values), labels=names, alpha=0.7)
    else:
        for one, name in zip(values, names, strict=True):
            axes.plot(times, one, label=name, linewidth=1.2)
    if not found:
        axes.text(0.5, 0.5, "nothing to show", transform=axes.transAxes, ha="center", color="grey")
    elif len(found) <= _MOST_NAMES:
        axes.legend(fontsize=7, frameon=False, loc="upper left")
    axes.set_ylim(bottom=0)
    axes.set_ylabel(unit)


def _heatmap(axes: Any, times: NDArray[np.float64], found: Sequence[Series]) -> None:
    """Buckets as they are, each with what is in it and not in the one below."""
    ordered = sorted(found, key=lambda one: float(one.labels["le"]))
    if not ordered:
        return
    inside = np.diff([np.zeros(len(times)), *(np.nan_to_num(one.values) for one in ordered)], axis=0)
    axes.pcolormesh(times, np.arange(len(ordered)), inside, shading="nearest", cmap="Greens")
    axes.set_yticks(np.arange(len(ordered)), [one.labels["le"] for one in ordered], fontsize=6)


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--job", default="headwise")
    parser.add_argument("--to", type=Path, default=Path("dashboard.png"))
    told = parser.parse_args()
    draw(told.url, told.minutes, told.to, job=told.job)


if __name__ == "__main__":
    main()
