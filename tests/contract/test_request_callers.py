"""A request's line names the key that asked, by its id."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from headwise.api.rest.app import create_app
from headwise.telemetry.metrics import Metrics
from support.access import Keys, bearer
from support.in_memory_gateway import BINARY, Models

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("way", ["short", "long"])
async def test_who_asked_is_told_by_the_id_of_the_key_and_not_by_the_key(tmp_path: Path, way: str) -> None:
    keys = Keys()
    text = keys.add("model:m:predict")
    models = Models(tmp_path)
    models.add("m", {"output_0": BINARY})
    gateway = await models.gateway(access=keys.access())
    app = create_app(gateway, Metrics(), timeout=5, max_body_bytes=10_000).app
    more = {"accept": "application/json, */*"} if way == "long" else {"accept": "*/*"}
    with capture_logs() as lines:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            answer = await client.post(
                "/v1/models/m:classify", json={"instances": [[1.0]]}, headers={**bearer(text), **more}
            )
            refused = await client.post("/v1/models/m:classify", json={"instances": [[1.0]]}, headers=more)
    assert (answer.status_code, refused.status_code) == (200, 401)
    told: list[dict[str, Any]] = [dict(line) for line in lines if line["event"] == "request"]
    assert [line.get("caller") for line in told] == [text.split("_")[1], None]
    assert [(line["verb"], line["model"]) for line in told] == [("classify", "m")] * 2
    assert text not in str(lines)
