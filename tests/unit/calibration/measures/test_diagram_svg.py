"""Reliability diagrams as SVG: well-formed whatever is in them, in the picture what is in the bins."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise.calibration.measures.bins import Bin
from headwise.calibration.measures.diagram import Diagram
from headwise.calibration.measures.diagram_svg import draw

SVG = "{http://www.w3.org/2000/svg}"
LOW = Bin(0.0, 0.5, 30, 0.25, 0.4, (0.3, 0.5))
HIGH = Bin(0.5, 1.0, 10, 0.75, 0.7, (0.4, 0.9))
DIAGRAM = Diagram("positive class", (LOW, HIGH), (HIGH,))


def parsed(diagram: Diagram, title: str = "tumor", **captions: str) -> ElementTree.Element:
    return ElementTree.fromstring(draw(diagram, title=title, captions=captions))


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def test_points_stand_at_their_shares_and_bars_are_as_high_as_their_rows() -> None:
    root = parsed(DIAGRAM)
    before, after = root.findall(f"{SVG}g")
    frame = before.find(f"{SVG}rect[@class='frame']")
    assert frame is not None
    left, top, side = (float(frame.get(name, "")) for name in ("x", "y", "width"))

    dots = before.findall(f".//{SVG}circle")
    places = [((float(dot.get("cx", "")) - left) / side, 1 - (float(dot.get("cy", "")) - top) / side) for dot in dots]
    assert places == [pytest.approx((one.probability, one.observed)) for one in (LOW, HIGH)]
    reach = before.findall(f".//{SVG}line[@class='reach']")
    ends = [tuple(1 - (float(line.get(end, "")) - top) / side for end in ("y1", "y2")) for line in reach]
    assert ends == [pytest.approx(one.interval) for one in (LOW, HIGH)]
    heights = [float(bar.get("height", "")) for bar in before.findall(f".//{SVG}rect[@class='bar']")]
    assert heights[0] == pytest.approx(3 * heights[1], rel=0.01)
    (alone,) = after.findall(f".//{SVG}rect[@class='bar']")
    assert float(alone.get("height", "")) == heights[1], "both panels count alike"


def test_it_is_told_to_those_who_do_not_see_it() -> None:
    root = parsed(DIAGRAM, "tumor & <b>", before="log loss 0.2", after="log loss 0.1")
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "tumor & <b>"
    assert root.findtext(f"{SVG}desc") == (
        "Calibrated probabilities lie on the diagonal. Before: 1 of 2 bins lie further off than their interval; the "
        "largest gap is at mean probability 0.250, observed 0.400. After: 0 of 1 bins lie further off than their "
        "interval; the largest gap is at mean probability 0.750, observed 0.700."
    )
    assert {"before: log loss 0.2", "after: log loss 0.1", "probability (positive class)"} <= set(texts(root))
    names = root.get("aria-labelledby", "").split()
    assert {element.get("id") for element in root.iter()} >= set(names)
    hovered = [element.text for element in root.iter(f"{SVG}title")]
    assert "0 to 0.5: 30 rows, mean probability 0.250, observed 0.400 (0.300 to 0.500)" in hovered


def test_it_has_colours_for_light_and_dark_and_asks_for_nothing() -> None:
    text = draw(DIAGRAM, title="t", captions={})
    light, dark = text.split("@media (prefers-color-scheme: dark)")
    for name in (".paper", "text", ".frame", ".before .dot", ".after .dot"):
        assert f"{name} {{" in light or f"{name}," in light
        assert f"{name} {{" in dark or f"{name}," in dark
    assert re.findall(r"https?://[^\"]+|url\(|<script|<image|href", text) == ["http://www.w3.org/2000/svg"]


def test_a_diagram_without_rows_is_empty() -> None:
    root = parsed(Diagram("positive class", (), ()))
    assert (
        root.findtext(f"{SVG}desc") == "Calibrated probabilities lie on the diagonal. Before: no rows. After: no rows."
    )
    assert list(root.iter(f"{SVG}circle")) == []


share = st.floats(0, 1)
bins = st.builds(
    lambda ends, rows, p, o, interval: Bin(min(ends), max(ends), rows, p, o, (min(interval), max(interval))),
    st.tuples(share, share),
    st.integers(1, 2**53 - 1),
    share,
    share,
    st.tuples(share, share),
)


@given(st.builds(Diagram, st.text(), st.lists(bins).map(tuple), st.lists(bins).map(tuple)), st.text(), st.text())
def test_it_is_well_formed_xml_whatever_it_is_made_of(diagram: Diagram, title: str, caption: str) -> None:
    root = parsed(diagram, title, before=caption)
    assert len(list(root.iter(f"{SVG}circle"))) == len(diagram.before) + len(diagram.after)


def test_characters_that_xml_cannot_hold_are_replaced() -> None:
    assert texts(parsed(DIAGRAM, "a\x00b\ud800c\uffffd"))[0] == "a\ufffdb\ufffdc\ufffdd"
