"""The HTTP application as a whole: routes, problem documents, metrics, documentation."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from structlog.testing import capture_logs

from headwise.api.rest.app import create_app
from headwise.api.status import INTERNAL_TEXT
from headwise.backends.base import Arrays
from headwise.errors import BackendTimeoutError, BackendUnavailableError
from headwise.telemetry.metrics import Metrics
from support.in_memory_gateway import BINARY, Models

pytestmark = pytest.mark.anyio

GOOD = {"instances": [[2.0], [-2.0]]}


@pytest.fixture
def models(tmp_path: Path) -> Models:
    models = Models(tmp_path)
    models.add("tumor", {"output_0": BINARY}, version=1)
    models.add("tumor", {"output_0": {**BINARY, "labels": ["no", "yes"]}}, version=2)
    models.backend.labels["tumor"] = {"stable": 1}
    return models


def fail_with(models: Models, failure: Exception) -> None:
    """Let every prediction of tumor meet a failure."""

    def run(_: Arrays) -> Arrays:
        raise failure

    versions = models.backend.models["tumor"]
    versions.update({number: replace(model, run=run) for number, model in versions.items()})


@asynccontextmanager
async def client(models: Models, max_body_bytes: int = 4096) -> AsyncIterator[httpx.AsyncClient]:
    surface = create_app(await models.gateway(), Metrics(), timeout=5, max_body_bytes=max_body_bytes)
    transport = httpx.ASGITransport(surface.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as opened:
        yield opened


@pytest.mark.parametrize(
    ("place", "version", "label"), [("", 2, "yes"), ("/versions/1", 1, "malignant"), ("/labels/stable", 1, "malignant")]
)
async def test_the_path_names_the_version(models: Models, place: str, version: int, label: str) -> None:
    async with client(models) as http:
        answer = await http.post(f"/v1/models/tumor{place}:classify", json=GOOD, headers={"x-request-id": "id-9"})
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert body["model"] == {"name": "tumor", "version": version}
    assert body["predictions"][0]["label"] == label
    assert body["request_id"] == answer.headers["x-request-id"] == "id-9"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/models/tumor:classify", '{"instances": VALUE, "options": {"top_k": 1}}'),
        ("/v1/models/tumor:classify", '{"options": {"top_k": 1}, "inputs": {"x": VALUE}}'),
        ("/v1/models/tumor:classify", '{"instances": VALUE, "options": {"top_k": "one"}}'),
        ("/v1/models/tumor:predict", '{"instances": VALUE}'),
        ("/v2/models/tumor/infer", '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 1], "data": VALUE}]}'),
    ],
)
@pytest.mark.parametrize("value", ["[[2.5],[-2]]", "[[2.5],[-2,3]]", "[[2.5],[null]]", "[[2.5],[1e39]]", "[[2.5],[-2]"])
async def test_a_large_body_is_answered_as_a_small_one(models: Models, path: str, body: str, value: str) -> None:
    small, large = (body.replace("VALUE", value.replace("],[", f"],{blanks}[")) for blanks in ("", " " * 300_000))
    async with client(models, max_body_bytes=2**20) as http:
        answers = [await http.post(path, content=text, headers={"x-request-id": "1"}) for text in (small, large)]
    # An error names a place behind the blanks.
    placed = [re.sub(r"\b30\d{4}\b", lambda at: str(int(at[0]) - 300_000), answer.text) for answer in answers]
    told = [(answer.status_code, text) for answer, text in zip(answers, placed, strict=True)]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/models/tumour:classify", 404, "model-not-found"),
        ("POST", "/v1/models/tumor/versions/3:classify", 404, "version-not-found"),
        ("POST", f"/v1/models/tumor/versions/{10**30}:classify", 404, "version-not-found"),
        ("POST", "/v1/models/tumor/labels/x:classify", 404, "version-not-found"),
        ("GET", "/v1/models/tumour/head", 404, "model-not-found"),
        ("GET", "/v1/models/tumor/versions/3/head", 404, "version-not-found"),
        ("GET", "/v1/models/tumor/labels/x/head", 404, "version-not-found"),
    ],
)
async def test_what_is_not_there_is_a_problem_document(
    models: Models, method: str, path: str, status: int, code: str
) -> None:
    async with client(models) as http:
        answer = await http.request(method, path, json=GOOD if method == "POST" else None)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (answer.json()["code"], answer.json()["instance"]) == (code, path)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"instances": [[NaN]]}', "instances[0][0] is NaN"),
        (b'{"inputs": [[-Infinity]]}', "inputs[0][0] is -Infinity"),
        (b'{"instances": [[1]' + b",[1]" * 30_000 + b",[NaN]]}", "instances[30001][0] is NaN"),
    ],
)
async def test_a_body_of_ours_that_is_not_strict_json_is_a_problem_document(
    models: Models, body: bytes, place: str
) -> None:
    async with client(models, max_body_bytes=2**20) as http:
        answer = await http.post("/v1/models/tumor:classify", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-tensor")
    assert answer.json()["detail"] == f"{place}: numbers must be finite"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"examples": []}', b'{"inst', b'{"instances": [[1e999]]}', b"null"]
)
async def test_any_other_body_is_a_call_of_tensorflow_serving(models: Models, body: bytes) -> None:
    async with client(models) as http:
        answer = await http.post("/v1/models/tumor:classify", content=body)
    assert answer.status_code in {400, 501}
    assert answer.json().keys() == {"error"}


async def test_time_heals_a_backend_that_is_away(models: Models) -> None:
    async with client(models) as http:
        fail_with(models, BackendUnavailableError("the model server at x is not available: refused"))
        away = await http.post("/v1/models/tumor:classify", json=GOOD)
        fail_with(models, BackendTimeoutError("the model server did not answer within 5 s"))
        late = await http.post("/v1/models/tumor:classify", json=GOOD)
    assert (away.status_code, away.headers["retry-after"], away.json()["retryable"]) == (503, "1", True)
    assert (late.status_code, "retry-after" in late.headers) == (504, False)


@pytest.mark.parametrize(
    ("verb", "media_type", "text"),
    [("classify", "application/problem+json", "detail"), ("predict", "application/json", "error")],
)
async def test_an_internal_error_has_its_paths_form_and_its_details_stay_in_the_log(
    models: Models, verb: str, media_type: str, text: str
) -> None:
    fail_with(models, ZeroDivisionError("a secret"))
    with capture_logs() as log:
        async with client(models) as http:
            answer = await http.post(f"/v1/models/tumor:{verb}", json=GOOD, headers={"x-request-id": "id-5"})
            metrics = (await http.get("/metrics")).text
    assert (answer.status_code, answer.headers["content-type"]) == (500, media_type)
    assert answer.json()[text] == INTERNAL_TEXT
    assert answer.headers["x-request-id"] == "id-5"
    assert "secret" not in answer.text
    assert 'status="500"' in metrics
    assert ("internal error", "id-5") in {(entry["event"], entry.get("request_id")) for entry in log}


async def test_answers_of_one_row_do_not_depend_on_the_other_rows(models: Models) -> None:
    values = np.random.default_rng(7).normal(0, 5, 20).tolist()
    async with client(models) as http:
        together = await http.post("/v1/models/tumor:classify", json={"instances": [[v] for v in values]})
        alone = [await http.post("/v1/models/tumor:classify", json={"instances": [[v]]}) for v in values]
    assert together.json()["predictions"] == [answer.json()["predictions"][0] for answer in alone]


async def test_requests_are_counted_by_verb_and_known_model(models: Models) -> None:
    async with client(models) as http:
        await http.post("/v1/models/tumor:classify", json=GOOD)
        await http.post("/v1/models/tumor:predict", json=GOOD)
        await http.post("/v1/models/made-up:classify", json=GOOD)
        metrics = (await http.get("/metrics")).text
    for labels in (
        'model="tumor",status="200",surface="http",verb="classify"',
        'model="tumor",status="200",surface="http",verb="predict"',
        'model="other",status="404",surface="http",verb="classify"',
    ):
        assert f"headwise_requests_total{{{labels}}} 1.0" in metrics
    assert "made-up" not in metrics


async def test_the_root_names_paths_that_are_there(models: Models) -> None:
    async with client(models) as http:
        told = (await http.get("/")).json()
        paths = [value for value in told.values() if value.startswith("/")]
        assert {"/docs", "/v1/models", "/readyz", "/metrics"} < set(paths)
        assert {(await http.get(path)).status_code for path in paths} == {200}


async def test_operations_are_reachable(models: Models) -> None:
    async with client(models) as http:
        answers = {
            path: await http.get(path)
            for path in ("/livez", "/readyz", "/metrics", "/v1/models", "/v1/models/tumor/head", "/docs")
        }
        missing = await http.get("/no/such/path")
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert answers["/v1/models/tumor/head"].headers["x-model-version"] == "2"
    assert missing.status_code == 404


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for child in part:
            yield from references(child)


async def test_the_documentation_describes_the_body_and_every_reference_in_it_resolves(models: Models) -> None:
    async with client(models) as http:
        document = (await http.get("/openapi.json")).json()
    call = document["paths"]["/v1/models/{model}:classify"]["post"]
    properties = call["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert properties.keys() == {"instances", "inputs", "signature_name", "options"}
    options = properties["options"]["properties"]
    assert options.keys() == {"threshold", "decision", "abstain", "coverage", "top_k", "include"}
    one, by_head, _ = options["decision"]["anyOf"]
    rules = {rule["properties"]["rule"]["const"]: rule for rule in one["oneOf"]}
    assert rules.keys() == {"threshold", "per_label", "argmax", "cost"}
    assert all("rule" in rule["required"] for rule in rules.values())
    assert by_head["additionalProperties"] == one
    assert "$defs" not in json.dumps(document)
    shown = document["paths"]["/v1/models/{model}/reliability"]["get"]
    assert shown["responses"]["200"]["content"].keys() == {"application/json", "image/svg+xml"}
    for reference in references(document):
        target = document
        for key in reference.removeprefix("#/").split("/"):
            target = target[key]


@pytest.mark.parametrize(
    ("method", "end"), [("POST", ":classify"), ("POST", ":predict"), ("GET", "/head"), ("GET", "")]
)
async def test_a_version_of_thousands_of_digits_is_no_internal_error(models: Models, method: str, end: str) -> None:
    async with client(models) as http:
        answer = await http.request(method, f"/v1/models/tumor/versions/{'1' * 5000}{end}", json=GOOD)
    assert answer.status_code == 400
