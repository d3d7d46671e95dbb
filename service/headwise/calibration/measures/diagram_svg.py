"""A reliability diagram as SVG: text alone, for browsers in light and dark, and for those who listen."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape

from headwise.calibration.measures.bins import Bin
from headwise.calibration.measures.diagram import Diagram

_WIDTH, _HEIGHT = 760, 474
_SIDE, _LEFT, _TOP, _NEXT = 300, 60, 74, 366
"""A panel's square, the place of the first one, and how far the second stands from it."""
_COUNTS_TOP, _COUNTS = _TOP + _SIDE + 10, 50
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LIGHT = {"paper": "#fff", "ink": "#1b1b1b", "faint": "#8a8a8a", "before": "#9a6324", "after": "#2364aa"}
_DARK = {"paper": "#16181c", "ink": "#ececec", "faint": "#8a8f98", "before": "#e0a46a", "after": "#86b8f2"}


def _colours(of: Mapping[str, str]) -> str:
    # No CSS variables: viewers that are no browsers do not know them.
    return (
        f".paper {{ fill: {of['paper']} }} text {{ fill: {of['ink']} }} "
        f".frame, .diagonal {{ stroke: {of['faint']} }}\n"
        + "\n".join(
            f".{when} .bar, .{when} .dot {{ fill: {of[when]} }} .{when} .line, .{when} .reach {{ stroke: {of[when]} }}"
            for when in ("before", "after")
        )
    )


_STYLE = f"""
text {{ font: 12px system-ui, sans-serif }} .title {{ font-size: 16px; font-weight: 600 }}
.middle {{ text-anchor: middle }} .end {{ text-anchor: end }}
.frame, .line {{ fill: none }} .diagonal {{ stroke-dasharray: 3 3 }}
.bar {{ opacity: .55 }} .reach, .line {{ stroke-width: 1.5 }} .line {{ opacity: .6 }}
{_colours(_LIGHT)}
@media (prefers-color-scheme: dark) {{
{_colours(_DARK)}
}}
"""


def draw(diagram: Diagram, *, title: str, captions: Mapping[str, str]) -> str:
    """An SVG document: observed shares with their intervals over mean probabilities, and the rows of each bin below.

    captions: what stands behind "before" and "after", such as a log loss.
    """
    told = (
        "Calibrated probabilities lie on the diagonal. "
        f"{_told('Before', diagram.before)} {_told('After', diagram.after)}"
    )
    most = max((one.rows for one in (*diagram.before, *diagram.after)), default=1)
    panels = "".join(
        _panel(at * _NEXT, when, bins, captions.get(when, ""), diagram.of, most)
        for at, (when, bins) in enumerate((("before", diagram.before), ("after", diagram.after)))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'role="img" aria-labelledby="title desc">\n'
        f'<title id="title">{_text(title)}</title>\n<desc id="desc">{_text(told)}</desc>\n<style>{_STYLE}</style>\n'
        f'<rect class="paper" width="{_WIDTH}" height="{_HEIGHT}"/>\n'
        f'<text class="title" x="{_LEFT}" y="28">{_text(title)}</text>\n{panels}</svg>\n'
    )


def _panel(left: int, when: str, bins: Sequence[Bin], caption: str, of: str, most: int) -> str:
    x, y = _scale(_LEFT + left, _SIDE), _scale(_TOP + _SIDE, -_SIDE)
    heading = f"{when}: {caption}" if caption else when
    parts = [
        f'<g class="{when}">',
        f'<text class="middle" x="{x(0.5)}" y="{_TOP - 14}">{_text(heading)}</text>',
        f'<rect class="frame" x="{x(0)}" y="{y(1)}" width="{_SIDE}" height="{_SIDE}"/>',
        f'<line class="diagonal" x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}"/>',
        *(f'<text class="end" x="{x(0) - 6:g}" y="{y(tick) + 4:g}">{tick:g}</text>' for tick in _TICKS),
        f'<polyline class="line" points="{" ".join(f"{x(one.probability)},{y(one.observed)}" for one in bins)}"/>',
        *(_point(one, x, y) for one in bins),
        *(_bar(one, x, most) for one in bins),
        *(f'<text class="middle" x="{x(tick)}" y="{_COUNTS_TOP + _COUNTS + 16}">{tick:g}</text>' for tick in _TICKS),
        f'<text class="middle" x="{x(0.5)}" y="{_HEIGHT - 6}">{_text(f"probability ({of})")}</text>',
        *(_sides(most) if not left else ()),
        "</g>\n",
    ]
    return "\n".join(parts)


def _sides(most: int) -> tuple[str, ...]:
    """What the two vertical axes are, beside the first panel."""
    middle, edge = _TOP + _SIDE // 2, _LEFT - 6
    return (
        f'<text class="middle" transform="translate(16 {middle}) rotate(-90)">observed share</text>',
        f'<text class="end" x="{edge}" y="{_COUNTS_TOP + 10}">{most}</text>',
        f'<text class="end" x="{edge}" y="{_COUNTS_TOP + _COUNTS}">rows</text>',
    )


def _point(one: Bin, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    least, most = one.interval
    at = x(one.probability)
    return (
        f'<g><title>{_said(one)}</title><line class="reach" x1="{at}" y1="{y(least)}" x2="{at}" y2="{y(most)}"/>'
        f'<circle class="dot" cx="{at}" cy="{y(one.observed)}" r="3.5"/></g>'
    )


def _bar(one: Bin, x: Callable[[float], float], most: int) -> str:
    height = round(max(_COUNTS * one.rows / most, 0.5), 2)
    width = round(max(x(one.high) - x(one.low) - 1, 1), 2)
    return (
        f'<rect class="bar" x="{x(one.low)}" y="{_COUNTS_TOP + _COUNTS - height:g}" width="{width}" height="{height}">'
        f"<title>{_said(one)}</title></rect>"
    )


def _scale(start: int, length: int) -> Callable[[float], float]:
    """From a share to a coordinate."""
    return lambda share: round(start + length * share, 2)


def _said(one: Bin) -> str:
    least, most = one.interval
    return (
        f"{one.low:.3g} to {one.high:.3g}: {one.rows} rows, mean probability {one.probability:.3f}, "
        f"observed {one.observed:.3f} ({least:.3f} to {most:.3f})"
    )


def _told(when: str, bins: Sequence[Bin]) -> str:
    """The diagram in a sentence, for those who do not see it."""
    if not bins:
        return f"{when}: no rows."
    worst = max(bins, key=lambda one: abs(one.probability - one.observed))
    off = sum(not one.interval[0] <= one.probability <= one.interval[1] for one in bins)
    return (
        f"{when}: {off} of {len(bins)} bins lie further off than their interval; the largest gap is at mean "
        f"probability {worst.probability:.3f}, observed {worst.observed:.3f}."
    )


def _text(words: str) -> str:
    """Escaped, without what XML cannot hold."""
    return escape(_NO_XML.sub("\N{REPLACEMENT CHARACTER}", words))
