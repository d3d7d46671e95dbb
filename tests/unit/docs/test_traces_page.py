"""docs/traces.md names every attribute that spans have, and draws all stages."""

from __future__ import annotations

import re
from pathlib import Path

from headwise.telemetry.requests import Answered
from headwise.telemetry.traces import attributes
from headwise.telemetry.traces.trace import SharedCall
from headwise.telemetry.trail import STAGES, Trail
from support.spans import Spans, apart, said

PAGE = (Path(__file__).parents[3] / "docs" / "traces.md").read_text("utf-8")


def every_attribute() -> set[str]:
    """Of servers over HTTP and gRPC, of stages and of clients, failed and not."""
    trail = Trail()
    trail.answered(1, 2)
    trail.code = "internal"
    spans = Spans()
    told = spans.tracing.grpc("S/M", {}, 0.0)
    assert told.trace is not None
    SharedCall([told.trace], rows=1, requests=1, sent=0.1).end(0.2, "backend")
    return {
        *attributes.of_http("ODD", "/", "http", "/"),
        *attributes.of_grpc("S/M"),
        *attributes.of_target("a:1"),
        *attributes.of_target("unix:/a"),
        *attributes.of_answer(Answered("v", "m", 500, 0.0, 1.0, "id-1", "POST", "/", trail)),
        *attributes.of_answer(Answered("v", "m", "OK", 0.0, 1.0, "id-1", "S/M", None, trail)),
        *said(spans.all[0]),
    }


@apart
def test_each_attribute_has_its_row() -> None:
    table = PAGE.partition("| attribute |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z0-9_]+(?:\.[a-z0-9_]+)+)`", table)) - {"errors.md"} == every_attribute()


def test_the_drawing_has_all_stages_and_they_add_up() -> None:
    drawing = PAGE.partition("milliseconds:\n\n```\n")[2].partition("```")[0]
    rows = [re.fullmatch(r"(.+?) +(\d+\.\d+) +(\d+\.\d+) +=+", line.rstrip()) for line in drawing.splitlines()]
    found = {row[1].strip(): float(row[3]) for row in rows if row is not None}
    assert tuple(name for name in found if name in STAGES) == STAGES
    whole = next(iter(found.values()))
    assert abs(whole - sum(found[name] for name in STAGES)) < 0.0015 * len(STAGES)
