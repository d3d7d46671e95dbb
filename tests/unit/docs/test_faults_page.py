"""The page of faults says what the tests show, and every fault has a test."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]

RESULTS = """<testsuites><testsuite>
<testcase classname="tests.faults.test_a" name="test_one[x]"><properties>
<property name="fault" value="1" /><property name="measured" value="503 in 2 ms" /></properties></testcase>
<testcase classname="tests.faults.test_a" name="test_two"><properties><property name="fault" value="1" /></properties>
<failure message="no" /></testcase>
<testcase classname="tests.unit.test_b" name="test_other" />
</testsuite></testsuites>"""


def page() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs" / "faults_page.py"))


def test_a_section_has_what_was_measured_and_what_failed() -> None:
    written: str = page()["table"](RESULTS)
    assert "- 503 in 2 ms (`tests/faults/test_a.py::test_one`)" in written
    assert "- shown **failed** (`tests/faults/test_a.py::test_two`)" in written
    assert "test_other" not in written


def test_every_fault_has_a_test_and_a_section_with_figures() -> None:
    numbers: set[int] = set(page()["FAULTS"])
    marked = {
        int(number)
        for file in (ROOT / "tests").rglob("test_*.py")
        for number in re.findall(r"pytest\.mark\.fault\((\d+)\)", file.read_text("utf-8"))
    }
    sections = re.split(r"^### ", (ROOT / "docs" / "faults.md").read_text("utf-8"), flags=re.MULTILINE)[1:]
    shown = {int(section.partition(".")[0]) for section in sections if "\n- " in section}
    assert marked == numbers == shown
