"""The page of a calibration, and its pictures as files."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import pytest

from headwise.calibration.report import page
from headwise.calibration.report.page import write_pngs, write_report
from headwise.calibration.report.plots import fitting
from support.calibrations import ODD, calibration

VOID = {"meta", "img"}
PNG = b"\x89PNG\r\n\x1a\n"
SOURCES = {"src", "href", "srcset", "action", "data", "poster"}


class Parsed(HTMLParser):
    """Checks that tags are closed in order; collects text and what is fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.sources += [value or "" for name, value in attrs if name in SOURCES]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


@cache
def odd() -> str:
    with TemporaryDirectory() as folder:
        file = Path(folder, "report.html")
        file.write_text("old")
        write_report(file, [("out <0>", calibration("odd labels"))], "Calibration of <it> & more")
        assert list(Path(folder).iterdir()) == [file]
        return file.read_text("utf-8")


@cache
def parsed() -> Parsed:
    return Parsed(odd())


def pictures(text: str) -> Iterator[ElementTree.Element]:
    for data in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', text):
        yield ElementTree.fromstring(base64.b64decode(data))


def test_it_is_well_formed_and_needs_nothing_else() -> None:
    assert parsed().open == []
    assert parsed().sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in parsed().sources)
    assert not {"script", "link", "iframe", "object"} & set(parsed().seen)
    assert "default-src 'none'" in odd()
    assert "@import" not in odd()
    assert "url(" not in odd()


def test_labels_stand_in_it_as_text() -> None:
    for label in ODD[:-1]:
        assert label in parsed().text
    assert "Calibration of <it> & more" in parsed().text
    assert "out <0>" in parsed().text
    assert "<script" not in odd()


def test_it_says_what_was_chosen_and_what_it_is_worth() -> None:
    one, text = calibration("odd labels"), parsed().text
    for told in (one.choice.reason, *one.warnings, one.evidence["decision"]["reason"], "200 rows"):
        assert told in text
    for figure in ("log_loss", "smooth_ece"):
        assert f"{one.evidence[figure]['before']:.4g}" in text
        assert f"{one.evidence[figure]['after']:.4g}" in text
    assert '<tr class="chosen"><td>temperature</td>' in odd()


def test_it_has_every_picture_of_the_head() -> None:
    drawn = list(pictures(odd()))
    assert len(drawn) == len(fitting(calibration("odd labels").head)) == 5
    assert all(root.tag == "{http://www.w3.org/2000/svg}svg" for root in drawn)
    assert parsed().seen.count("figcaption") == 5


def test_several_heads_are_compared_first() -> None:
    heads = [("one", calibration("tiny")), ("two", calibration("multilabel"))]
    overview = page._overview(heads)
    assert "<td>one</td><td>binary</td><td>identity</td>" in overview
    assert "<td>two</td><td>multilabel</td><td>temperature</td>" in overview
    assert page._overview(heads[:1]) == ""


def test_a_picture_that_fails_leaves_the_page_before(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text("old")
    one = calibration("tiny")
    broken = replace(one, evidence={name: value for name, value in one.evidence.items() if name != "reliability"})
    for write in (
        lambda: write_report(file, [("a", broken)], "t"),
        lambda: write_pngs(tmp_path / "png", [("a", broken)]),
    ):
        with pytest.raises(KeyError, match="reliability"):
            write()
    assert file.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_pictures_are_png_files(tmp_path: Path) -> None:
    files = write_pngs(tmp_path / "made" / "here", [("a/b", calibration("tiny"))])
    assert [file.name for file in files] == [f"a_b.{plot}.png" for plot in fitting(calibration("tiny").head)]
    assert all(file.read_bytes().startswith(PNG) for file in files)
    assert sorted(files) == sorted((tmp_path / "made" / "here").iterdir())


def test_heads_never_share_a_file() -> None:
    assert page._stems(["a/b", "a_b", "A_B", "c", ".."]) == ["a_b_0", "a_b_1", "A_B_2", "c", "_"]
