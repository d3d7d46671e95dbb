"""docs/logs.md shows the lines that are written, with every field that there is."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from headwise.telemetry.lines import as_json
from headwise.v1 import classification_service_pb2 as v1
from support.in_memory_gateway import BINARY, Models
from support.surfaces import serving

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[3] / "docs" / "logs.md").read_text("utf-8")
SHOWN = [json.loads(example) for example in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
VARIES = ("milliseconds", "timestamp")
UNSURE = {**BINARY, "decision": {"rule": "threshold", "abstain": {"floor": 0.9}}}


async def written(folder: Path) -> list[dict[str, Any]]:
    """The lines of the page's three requests."""
    models = Models(folder)
    models.add("tumor", {"output_0": UNSURE}, version=3)
    path = "/v1/models/tumor:classify"
    async with serving(models) as surfaces:
        with capture_logs() as lines:
            for number, rows in enumerate(([[9.0], [8.0], [0.1]], [["9"]]), start=1):
                headers = {"x-request-id": f"id-{number}"}
                await surfaces.http.post(path, content=json.dumps({"instances": rows}), headers=headers)
            call = surfaces.channel.unary_unary("/headwise.v1.ClassificationService/Classify")
            request = v1.ClassifyRequest(model=v1.ModelSpec(name="nobody")).SerializeToString()
            answer = call(request, metadata=(("x-request-id", "id-3"),), timeout=20)
            assert (await answer.code()).name == "NOT_FOUND"
            async with asyncio.timeout(5):  # the caller may be answered before the line is written
                while len(lines) < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
    return [json.loads(as_json(None, str(line.pop("log_level")), line)) for line in lines]


def steady(line: dict[str, Any]) -> list[tuple[str, Any]]:
    """Its fields in their order, without what differs from time to time."""
    return [(name, None if name in VARIES else value) for name, value in line.items() if name != "event"]


async def test_each_example_is_what_is_written(tmp_path: Path) -> None:
    assert [steady(line) for line in await written(tmp_path)] == [steady(line) for line in SHOWN]


def test_each_field_has_its_row() -> None:
    table = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    documented = set(re.findall(r"`(\w+)`", " ".join(table)))
    assert documented == {name for line in SHOWN for name in line} | {"caller", "worker", "trace_id", "span_id"}
