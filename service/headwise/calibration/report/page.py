"""A calibration as one HTML page that needs nothing else, and as PNG files. Needs matplotlib."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwise.calibration.report import words
from headwise.calibration.report.by_class import by_class, costs, most_confused
from headwise.calibration.report.confusions import MOST_NAMED
from headwise.calibration.report.plots import PLOTS, fitting, left_out
from headwise.calibration.report.tables import figures_tables, number, table, told
from headwise.calibration.report.writing import write_all

if TYPE_CHECKING:
    from headwise.calibration.calibrate import Calibrated

DOTS_AN_INCH = 150
_FIGURES = {
    "log_loss": "log loss",
    "brier_score": "Brier score",
    "ece_equal_width": "ECE, bins of equal width",
    "ece_equal_mass": "ECE, bins of equal mass",
    "ece_debiased": "ECE, debiased",
    "ece_classwise": "ECE, classwise",
    "smooth_ece": "smooth ECE",
}
_CAPTIONS = {
    "reliability": "Reliability: calibrated probabilities lie on the diagonal. Bars are 95% intervals; below, how many "
    "rows each bin has.",
    "scores": "Probabilities by outcome; the count of rows is logarithmic.",
    "thresholds": "What a cut is worth on these rows, out of fold; the dashed line is the cut that the head applies. "
    "A relative cost of 1 is that of a constant answer, the cheaper of the two.",
    "confusion": "Answers against what was true, out of fold.",
    "sets": "Prediction sets: how many classes they have, and how often they hold the true one, with 95% intervals.",
}
_STYLE = """
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b;
  background: #fff; overflow-wrap: break-word }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .75rem; text-align: left; border-bottom: 1px solid #ddd; unicode-bidi: isolate }
td.number { text-align: right; white-space: nowrap }
thead { display: table-header-group }
tr { break-inside: avoid }
tr.chosen { font-weight: 600; background: #eef4fb }
figure { margin: 1.5rem 0; break-inside: avoid }
figure img { max-width: 100%; max-height: 95vh; height: auto }
figcaption { color: #555 }
.warning { color: #8a4b00 }
h2 { border-top: 2px solid #1b1b1b; padding-top: 1rem }
h2, h3, h4 { break-after: avoid }
@media print { body { font-size: 11pt; margin: 0; max-width: none } .scroll { overflow: visible } }
.scroll { overflow-x: auto }
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

Heads = Sequence[tuple[str, "Calibrated"]]


def write_report(file: Path, heads: Heads, title: str) -> None:
    """Write the page of one or more heads, each with its name, in one step.

    Raises: OSError; what was there before is as it was then.
    """
    write_all({file: report(heads, title).encode("utf-8")})


def report(heads: Heads, title: str) -> str:
    """The page as text."""
    body = "\n".join(_section(name, calibrated) for name, calibrated in heads)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width"><title>{told(title)}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body><h1>{told(title)}</h1>\n{_overview(heads)}{body}</body></html>\n"
    )


def write_pngs(folder: Path, heads: Heads) -> tuple[Path, ...]:
    """Write each plot as HEAD.PLOT.png, into a folder that is made where there is none; none before all are drawn.

    Raises: OSError.
    """
    files = {
        folder / f"{stem}.{plot}.png": _drawn(calibrated, plot, "png")
        for stem, (_, calibrated) in zip(_stems([name for name, _ in heads]), heads, strict=True)
        for plot in fitting(calibrated.head)
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_all(files)
    return tuple(files)


def _stems(names: Sequence[str]) -> list[str]:
    """A file name for each head; heads whose names would share one are numbered."""
    plain = [re.sub(r"[^\w-]+", "_", name) for name in names]
    folded = [stem.casefold() for stem in plain]
    return [stem if folded.count(stem.casefold()) == 1 else f"{stem}_{at}" for at, stem in enumerate(plain)]


def _overview(heads: Heads) -> str:
    """Of several heads, what was chosen for each."""
    if len(heads) < 2:
        return ""
    rows = [(name, one.head.task, one.chosen, *_losses(one.evidence)) for name, one in heads]
    return table(("head", "task", "calibration", "log loss before", "after"), rows)


def _losses(evidence: Mapping[str, Any]) -> tuple[float, float]:
    return evidence["log_loss"]["before"], evidence["log_loss"]["after"]


def _section(name: str, calibrated: Calibrated) -> str:
    evidence = calibrated.evidence
    parts = [
        f"<h2>{told(name)}</h2>\n",
        _paragraph(words.chosen(calibrated)),
        _paragraph(words.measured(calibrated)),
        *(_paragraph(warning, "warning") for warning in words.warnings(evidence)),
        "<h3>Before and after</h3>\n",
        _before_after(evidence),
        *_pictures(calibrated, "reliability", "scores"),
        "<h3>Candidates</h3>\n",
        _candidates(calibrated),
        *_decision(calibrated),
        *_pictures(calibrated, "thresholds", "confusion", "sets"),
        *_classes(calibrated),
        "<h3>Where this is from</h3>\n",
        table(("what", "which"), list(words.provenance(evidence))),
    ]
    return f"<section>\n{''.join(parts)}</section>\n"


def _before_after(evidence: Mapping[str, Any]) -> str:
    rows = []
    for key, name in _FIGURES.items():
        if key in evidence:
            cells = (f"{number(evidence[key][when])}{_interval(evidence[key], when)}" for when in ("before", "after"))
            rows.append((name, *cells))
    return table(("figure, 95% interval", "before", "after (out of fold)"), rows)


def _interval(figure: Mapping[str, Any], when: str) -> str:
    interval = figure.get(f"{when}_interval")
    return f" {number(interval)}" if interval else ""


def _candidates(calibrated: Calibrated) -> str:
    candidates, chosen = calibrated.choice.candidates, calibrated.chosen
    rows = [
        (one.method, one.log_loss, one.gain, one.standard_error, one.note or ("chosen" if one.method == chosen else ""))
        for one in candidates
    ]
    at = [index for index, one in enumerate(candidates) if one.method == chosen]
    return table(("method", "held-out log loss", "gain a row", "standard error", "note"), rows, at)


def _decision(calibrated: Calibrated) -> list[str]:
    evidence, head = calibrated.evidence, calibrated.head
    parts = ["<h3>Decision</h3>\n", _paragraph(" ".join(words.decided(calibrated))), costs(head)]
    if decision := evidence.get("decision"):
        parts.append(_paragraph(words.tuned(decision, evidence["rows"])))
        parts.append(figures_tables(decision["figures"], "label" if head.task == "multilabel" else "class"))
    return parts


def _classes(calibrated: Calibrated) -> list[str]:
    what = "label" if calibrated.head.task == "multilabel" else "class"
    parts = [f"<h3>By {what}</h3>\n", by_class(calibrated)]
    if len(calibrated.head.labels) > MOST_NAMED and what == "class":
        parts += ["<h3>Most frequent confusions</h3>\n", most_confused(calibrated)]
    return parts


def _pictures(calibrated: Calibrated, *plots: str) -> list[str]:
    """Those of the plots that the head has."""
    return [_picture(calibrated, plot) for plot in plots if plot in fitting(calibrated.head)]


def _picture(calibrated: Calibrated, plot: str) -> str:
    data = base64.b64encode(_drawn(calibrated, plot, "svg")).decode("ascii")
    caption = _CAPTIONS[plot]
    if plot in ("scores", "thresholds") and (more := left_out(calibrated)):
        caption += f" The labels that are on most often; the table by label has the other {more} too."
    return (
        f'<figure><img alt="{told(caption)}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{told(caption)}</figcaption></figure>\n"
    )


def _drawn(calibrated: Calibrated, plot: str, form: str) -> bytes:
    buffer = io.BytesIO()
    about = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[form]
    PLOTS[plot](calibrated).savefig(buffer, format=form, dpi=DOTS_AN_INCH, metadata=about)
    return buffer.getvalue()


def _paragraph(text: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{told(text)}</p>\n"
