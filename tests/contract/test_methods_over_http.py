"""A path that is asked by another method than its own says which it takes; the list is the router's own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from headwise.api.rest.app import RestSurface, create_app
from headwise.api.rest.operations import OPERATIONS
from headwise.telemetry.metrics import Metrics
from support.in_memory_gateway import BINARY, Models
from support.routes import filled, routed

pytestmark = pytest.mark.anyio

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "QUERY")
OURS = (":classify", "/head", "/reliability", "/v1/models")
MALFORMED = ("DELETE", "GET", "PATCH", "POST", "PUT")
"""To the others TensorFlow Serving has no text to say."""
WITH_ORIGIN = {"origin": "http://example.com"}


def surface_of(gateway: Any) -> RestSurface:
    return create_app(gateway, Metrics(), timeout=5, max_body_bytes=4096)


def taken() -> dict[str, list[str]]:
    """The methods of every path."""
    found = defaultdict(list)
    for method, path in routed(surface_of(SimpleNamespace(access=None, admission=None)).router):
        found[path].append(method)
    return {path: sorted(methods) for path, methods in found.items()}


PATHS = taken()
OTHERS = [(method, path) for path, methods in PATHS.items() for method in METHODS if method not in methods]
TFS = [(method, path) for method, path in OTHERS if path.startswith("/v1/") and not path.endswith(OURS)]


@pytest.fixture
async def surface(tmp_path: Path) -> RestSurface:
    models = Models(tmp_path)
    models.add("tumor", {"output_0": BINARY})
    models.backend.labels["tumor"] = {"stable": 1}
    return surface_of(await models.gateway())


@pytest.fixture
async def http(surface: RestSurface) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(surface.app), base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(("method", "path"), [one for one in OTHERS if one not in TFS])
async def test_another_method_is_a_405_that_names_those_there_are(
    http: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await http.request(method, filled(path))
    assert (answer.status_code, answer.headers["allow"]) == (405, ", ".join(PATHS[path])), answer.text
    kind, text = ("json", "error") if path.startswith("/v2") else ("problem+json", "detail")
    assert answer.headers["content-type"] == f"application/{kind}"
    if method != "HEAD":
        told = answer.json()
        assert f"not {method}" in told[text]
        assert told.get("code", answer.headers.get("headwise-error-code")) == "method-not-allowed"


@pytest.mark.parametrize(("method", "path"), [one for one in TFS if one[0] in MALFORMED])
async def test_paths_of_tensorflow_serving_answer_another_method_as_it_does(
    http: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await http.request(method, filled(path))
    assert (answer.status_code, answer.json()) == (400, {"error": f"Malformed request: {method} {filled(path)}"})


@pytest.mark.parametrize("path", [path for path in PATHS if path.startswith(("/v1/", "/v2/"))])
async def test_a_browser_that_asks_before_a_call_is_answered(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.options(filled(path), headers=WITH_ORIGIN)).status_code == 200


@pytest.mark.parametrize("path", [one.path for one in OPERATIONS])
async def test_the_admin_port_says_the_same(surface: RestSurface, path: str) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(surface.admin), base_url="http://test") as admin:
        answer = await admin.post(path)
        head = await admin.head(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.json()["code"] == "method-not-allowed"
    assert head.status_code == 200


async def test_a_path_that_is_not_there_is_no_matter_of_methods(http: httpx.AsyncClient) -> None:
    for path in ("/v2/nowhere", "/nowhere"):
        answer = await http.put(path)
        assert (answer.status_code, "allow" in answer.headers) == (404, False)
