"""The OpenAPI document: every operation has an example, and each of them is true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from headwise.api.rest.app import create_app
from headwise.api.status import INTERNAL, STATUSES
from headwise.telemetry.metrics import Metrics
from support.access import Keys
from support.in_memory_gateway import BINARY, Models
from support.keys_of_routes import NO_KEY, ROUTES
from support.openapi import OPERATIONS, document

pytestmark = pytest.mark.anyio

BIN = {"low": 0.8, "high": 0.9, "rows": 61, "probability": 0.857, "observed": 0.869, "interval": [0.763, 0.932]}
EVIDENCE = {
    "method": "temperature",
    "log_loss": {"before": 0.11, "after": 0.08},
    "reliability": {"of": "positive class", "before": [BIN], "after": [BIN]},
}


@pytest.fixture
async def http(tmp_path: Path) -> Any:
    models = Models(tmp_path)
    models.add(
        "tumor",
        {"output_0": BINARY},
        version=3,
        inputs={"features": ("float32", (None, 3))},
        outputs={"output_0": ("float32", (None, 1))},
        run=lambda inputs: {"output_0": inputs["features"].sum(axis=1, keepdims=True)},
        evidence={"output_0": EVIDENCE},
    )
    app = create_app(await models.gateway(), Metrics(), timeout=5, max_body_bytes=2**20).app
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[path for path, _ in OPERATIONS])
async def test_every_example_is_true(http: httpx.AsyncClient, path: str, method: str) -> None:
    operation = (await http.get("/openapi.json")).json()["paths"][path][method]
    named = {one["name"]: one["example"] for one in operation.get("parameters", ()) if one["in"] == "path"}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    assert operation["summary"]
    assert (body is not None) == (method == "post")
    response = await http.request(method, path.format(**named), json=body)
    assert response.status_code == 200, response.text
    content = operation["responses"]["200"]["content"]
    if "application/json" not in content:
        assert response.headers["content-type"].startswith(tuple(content))
        return
    assert kinds(response.json()) == kinds(content["application/json"]["example"]), response.text


def test_a_call_with_a_body_may_be_answered_with_every_status_of_the_table() -> None:
    statuses = {str(status.http) for status in STATUSES.values() if status is not INTERNAL}
    for path, method in OPERATIONS:
        if method == "post":
            assert document()["paths"][path][method]["responses"].keys() > statuses


async def test_the_document_says_what_callers_must_show(tmp_path: Path) -> None:
    gateway = await Models(tmp_path).gateway(access=Keys().access())
    told = create_app(gateway, Metrics(), timeout=5, max_body_bytes=2**20).router.openapi()
    schemes = told["components"]["securitySchemes"]
    assert (schemes["bearer"]["scheme"], schemes["api_key"]["name"]) == ("bearer", "X-API-Key")
    assert told["security"] == [{"bearer": []}, {"api_key": []}]
    for path, method in OPERATIONS:
        needed = told["paths"][path][method].get("security", told["security"])
        assert ({} in needed) is (ROUTES[method.upper(), path] == NO_KEY)
    assert "securitySchemes" not in document().get("components", {})
    assert "security" not in document()


def kinds(value: Any, depth: int = 2) -> Any:
    """Keys and types, down to a depth; of lists the first element. OpenAPI leaves out what is null."""
    if depth and isinstance(value, dict):
        return {key: kinds(part, depth - 1) for key, part in value.items() if part is not None}
    if depth and isinstance(value, list):
        return [kinds(part, depth - 1) for part in value[:1]]
    return type(value).__name__


def test_every_path_of_the_surface_is_documented() -> None:
    paths = {path for path, _ in OPERATIONS}
    assert {"/v1/models/{model}:classify", "/v1/models/{model}:predict", "/v1/models/{model}:regress"} < paths
    assert {"/v2/models/{model}/infer", "/v2/repository/index", "/livez", "/metrics"} < paths
    assert json.dumps(document())
