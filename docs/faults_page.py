"""Writes what the tests of faults measured into docs/faults.md: `python docs/faults_page.py RESULTS.xml`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree  # our own file

PAGE = Path(__file__).with_name("faults.md")
_BETWEEN = re.compile(r"(?<=<!-- FAULTS -->\n).*(?=<!-- end -->)", re.DOTALL)

FAULTS = {
    1: ("No model server at the start", "up, not ready, 503 within 100 ms; ready within 3 s of its start"),
    2: ("A model server is killed", "no caller notices if there is another one; else 503 within 200 ms"),
    3: ("A slow model server", "504 at the deadline, within 50 ms; the call is cancelled; nobody is ejected"),
    4: ("A model server that hangs", "504 in flight; ejected, then 503 at once; back within 5 s"),
    5: ("A connection that leads nowhere", "503 or 504 within the deadline; replaced; back within 5 s"),
    6: ("Answers that are cut off, noise, or too large", "502 or 503, and no second call for what is too large"),
    7: ("NaN and infinity in outputs", "502 that names output and rows; never in JSON"),
    8: ("Outputs or inputs of another shape, dtype or name", "502, of inputs 400 before the model server is asked"),
    9: (
        "A model that is unloaded, or busy",
        "what is under way finishes; then 503 with Retry-After, and 404",
    ),
    10: ("Versions change under load", "no failed request, no answer that mixes two versions"),
    11: ("Cards that are missing or broken", "that model is refused, with the reason; the others answer"),
    12: ("A card changes on disk", "the new one or the last good one; never half of each"),
    13: ("Bodies that are too large", "413, with the memory of two bodies at most"),
    14: ("Clients that go away", "the call is cancelled within 200 ms; nothing is left behind"),
    15: ("Twice the load", "goodput 95 % of capacity; p99 at most twice the unloaded one and `queue_timeout`"),
    16: ("A stop under load", "unready at once, nothing lost, exit 0 in time; a second signal hurries"),
    17: ("A million requests", "at most 5 MB more a million; files and tasks as before"),
    18: ("A clock that jumps", "deadlines as ever, nobody ejected"),
    19: ("A full disk", "answers go on; lost lines are counted"),
    20: ("A name whose addresses change", "asked within 30 s; the last ones go on while none is known"),
    21: ("No more files can be opened", "no crash; back when there are some"),
    22: ("Slow clients", "408 or closed in time; others do not notice"),
    23: ("A worker that dies; large bodies", "back within 2.5 s; nobody waits for another's body for 100 ms"),
    25: ("Every call fails", "at most 1.2 calls a request; one probe at a time"),
    26: ("Ten gateways at a model server that comes back", "they do not come in one moment"),
    27: ("Certificates and keys are replaced", "new connections use them; bad files keep the old ones"),
    28: ("Memory runs short", "requests are refused before the kernel ends the process"),
}
"""By number: what goes wrong, and what must come of it. The numbers stay; 24 waits for a shared store of rates."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a test showed of a fault. outcome: passed, failed or skipped."""

    fault: int
    test: str
    outcome: str
    measured: tuple[str, ...]


def shown(results: str) -> Iterator[Shown]:
    """The tests of a JUnit file that show a fault."""
    for case in ElementTree.fromstring(results).iter("testcase"):  # noqa: S314  # our own file
        said = [(one.get("name", ""), one.get("value", "")) for one in case.iter("property")]
        numbers = [int(value) for name, value in said if name == "fault"]
        if numbers:
            outcome = "failed" if case.find("failure") is not None or case.find("error") is not None else "passed"
            outcome = "skipped" if case.find("skipped") is not None else outcome
            measured = tuple(value for name, value in said if name == "measured")
            file = case.get("classname", "").replace(".", "/")
            yield Shown(numbers[0], f"{file}.py::{case.get('name', '').partition('[')[0]}", outcome, measured)


def table(results: str) -> str:
    """A section a fault: what must come of it, and what each test measured."""
    tests = list(shown(results))
    sections = []
    for number, (fault, expected) in FAULTS.items():
        lines = []
        for one in (test for test in tests if test.fault == number):
            outcome = "" if one.outcome == "passed" else f" **{one.outcome}**"
            text = "; ".join(one.measured) or "shown"
            lines.append(f"- {text}{outcome} (`{one.test}`)")
        sections.append(f"### {number}. {fault}\n\n{expected[0].upper()}{expected[1:]}.\n\n" + "\n".join(lines) + "\n")
    return "\n".join(sections)


def main(file: str) -> None:
    """Rewrite the page by the results of a run of all tests.

    Raises: SystemExit where a fault was not shown.
    """
    results = Path(file).read_text("utf-8")
    PAGE.write_text(_BETWEEN.sub(lambda _: table(results), PAGE.read_text("utf-8")), "utf-8")
    passed = {one.fault for one in shown(results) if one.outcome == "passed"}
    bad = {one.fault for one in shown(results) if one.outcome != "passed"}
    if missing := sorted((FAULTS.keys() - passed) | bad):
        sys.exit(f"not shown, or not in whole: faults {', '.join(map(str, missing))}")


if __name__ == "__main__":
    main(sys.argv[1])
