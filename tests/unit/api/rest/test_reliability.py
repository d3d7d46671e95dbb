"""GET …/reliability: what the card's evidence holds, as JSON and as SVG."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from headwise.api.rest.app import create_app
from headwise.telemetry.metrics import Metrics
from support.in_memory_gateway import BINARY, Models

pytestmark = pytest.mark.anyio

BIN = {"low": 0.5, "high": 1.0, "rows": 4, "probability": 0.75, "observed": 0.5, "interval": [0.15, 0.85]}
DIAGRAM = {"of": "positive class", "before": [BIN], "after": [{**BIN, "probability": 0.5}]}
EVIDENCE = {
    "method": "temperature",
    "rows": 4,
    "log_loss": {"before": 0.25, "after": 0.125},
    "candidates": [],
    "reliability": DIAGRAM,
}
SHOWN = {"method": "temperature", "rows": 4, "log_loss": {"before": 0.25, "after": 0.125}, **DIAGRAM}
TWO: dict[str, Any] = {
    "inputs": {"x": ("float32", (None, 1))},
    "outputs": {"risk": ("float32", (None, 1)), "kind": ("float32", (None, 1))},
}


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


@asynccontextmanager
async def client(models: Models) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(await models.gateway(), Metrics(), timeout=5, max_body_bytes=4096).app
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test/v1/models") as opened:
        yield opened


async def get(models: Models, path: str = "/tumor/reliability", **headers: str) -> httpx.Response:
    async with client(models) as http:
        return await http.get(path, headers=headers)


def with_evidence(models: Models, evidence: Mapping[str, Any], version: int = 1) -> Path:
    return models.add("tumor", {"output_0": BINARY}, evidence=evidence, version=version)


async def test_the_stored_diagram_is_answered_as_json(models: Models) -> None:
    folder = with_evidence(models, {"output_0": EVIDENCE}, version=2)
    answer = await get(models)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {"model": {"name": "tumor", "version": 2}, "heads": {"output_0": SHOWN}}
    async with client(models) as http:
        head = await http.get("/tumor/head")
    assert answer.headers["etag"] == head.headers["etag"]
    assert (answer.headers["x-model-version"], answer.headers["vary"]) == ("2", "Accept")
    assert head.json()["evidence"] == {"output_0": EVIDENCE}, "the card is answered with its evidence"
    assert head.content == (folder / "assets.extra" / "head.json").read_bytes()


async def test_versions_and_labels_are_named_as_everywhere(models: Models) -> None:
    with_evidence(models, {"output_0": EVIDENCE}, version=1)
    with_evidence(models, {}, version=2)
    models.backend.labels["tumor"] = {"stable": 1}
    for path in ("/tumor/versions/1/reliability", "/tumor/labels/stable/reliability"):
        assert (await get(models, path)).json()["model"]["version"] == 1
    assert (await get(models)).status_code == 404
    missing = await get(models, "/tumor/versions/7/reliability")
    assert (missing.status_code, missing.json()["code"]) == (404, "version-not-found")


@pytest.mark.parametrize(
    ("query", "accept", "media_type"),
    [
        ("?format=svg", "application/json", "image/svg+xml"),
        ("?format=json", "image/svg+xml", "application/json"),
        ("", "image/svg+xml", "image/svg+xml"),
        ("", "image/*,*/*;q=0.8", "image/svg+xml"),
        ("", "text/html,*/*;q=0.8", "application/json"),
    ],
)
async def test_format_and_else_accept_choose_the_picture(
    models: Models, query: str, accept: str, media_type: str
) -> None:
    with_evidence(models, {"output_0": EVIDENCE})
    answer = await get(models, f"/tumor/reliability{query}", accept=accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)


async def test_the_picture_is_of_this_model_and_runs_nothing(models: Models) -> None:
    with_evidence(models, {"output_0": EVIDENCE})
    answer = await get(models, "/tumor/reliability?format=svg")
    root = ElementTree.fromstring(answer.content)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "Reliability of model tumor version 1, output_0"
    assert {"before: log loss 0.25", "after: log loss 0.125"} <= set(texts)
    assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"


async def test_of_several_heads_json_tells_all_and_a_picture_one(models: Models) -> None:
    models.add("tumor", {"risk": BINARY, "kind": BINARY}, **TWO, evidence={"risk": EVIDENCE, "kind": EVIDENCE})
    assert (await get(models)).json()["heads"].keys() == {"risk", "kind"}
    assert (await get(models, "/tumor/reliability?head=kind")).json()["heads"].keys() == {"kind"}
    which = await get(models, "/tumor/reliability?format=svg")
    assert (which.status_code, which.json()["code"]) == (400, "invalid-request")
    assert which.json()["detail"] == "an SVG shows one head: choose by ?head=NAME among 'risk', 'kind'"
    assert (await get(models, "/tumor/reliability?format=svg&head=risk")).status_code == 200


@pytest.mark.parametrize(
    ("evidence", "query", "status", "code", "text"),
    [
        ({}, "", 404, "head-not-found", "`headwise calibrate models/tumor --data FILE` measures one"),
        ({"output_0": {"rows": 3}}, "", 404, "head-not-found", "model tumor version 1 stores no reliability diagram"),
        ({"output_0": 3}, "?format=svg", 404, "head-not-found", "stores no reliability diagram"),
        ({"output_0": EVIDENCE}, "?head=p", 404, "head-not-found", "of a head 'p'; it stores those of: 'output_0'"),
        ({"output_0": EVIDENCE}, "?format=png", 400, "invalid-request", "format is 'png': it must be one of json, svg"),
        (
            {"output_0": {"reliability": {**DIAGRAM, "after": [{**BIN, "observed": "all"}]}}},
            "",
            503,
            "head-config",
            "evidence.output_0.reliability.after.0.observed: it must be a number from 0 to 1; `headwise calibrate`",
        ),
        (
            {"output_0": {"reliability": None}},
            "?format=svg",
            503,
            "head-config",
            "evidence.output_0.reliability: it must",
        ),
    ],
)
async def test_what_cannot_be_shown_is_told(
    models: Models, evidence: Any, query: str, status: int, code: str, text: str
) -> None:
    with_evidence(models, evidence)
    answer = await get(models, f"/tumor/reliability{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert text in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("loss", [str(10**40), "1e999", "1" * 5000, '"x"', "null", "[0]"])
async def test_figures_that_somebody_wrote_by_hand_are_no_internal_error(models: Models, loss: str) -> None:
    folder = with_evidence(models, {"output_0": {**EVIDENCE, "log_loss": "LOSS"}})
    file = folder / "assets.extra" / "head.json"
    file.write_text(file.read_text().replace('"LOSS"', f'{{"before": {loss}, "after": {loss}}}'))
    for query in ("", "?format=svg"):
        answer = await get(models, f"/tumor/reliability{query}")
        assert answer.status_code in (200, 503), answer.text
        if answer.status_code == 503:
            assert answer.json()["code"] == "head-config"


async def test_without_a_card_it_says_so_as_head_does(models: Models) -> None:
    models.add("tumor", None)
    answer = await get(models)
    assert (answer.status_code, answer.json()["code"]) == (404, "head-not-found")
    assert "no head card" in answer.json()["detail"]


async def test_names_cannot_become_markup(models: Models) -> None:
    name = '<script>alert("x")</script>'
    specs: Any = {"outputs": {name: ("float32", (None, 1))}}
    models.add("tumor", {name: BINARY}, **specs, evidence={name: EVIDENCE})
    answer = await get(models, "/tumor/reliability?format=svg")
    assert b"<script" not in answer.content
    assert json.loads((await get(models)).content)["heads"].keys() == {name}
