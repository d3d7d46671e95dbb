"""Bodies that are no JSON, through the whole application: arrays in and out, lines in and out."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import Headers

from headwise.api.rest.app import create_app
from headwise.api.rest.media import arrays
from headwise.errors import HeadwiseError
from headwise.savedmodel import Signature
from headwise.telemetry.metrics import Metrics
from support.in_memory_gateway import BINARY, Models

pytestmark = pytest.mark.anyio

ROWS = np.array([[2.0], [-2.0], [0.5]], np.float32)
LIMIT = 4096


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    models = Models(tmp_path)
    decision = {"rule": "threshold", "threshold": 0.5, "thresholds": {"screening": 0.1}}
    models.add("tumor", {"output_0": {**BINARY, "decision": decision}})
    models.add(
        "two",
        {"output_0": BINARY},
        inputs={"x": ("float32", (None, 1)), "y": ("float32", (None, 1))},
        run=lambda inputs: {"output_0": inputs["x"] + inputs["y"]},
    )
    app = create_app(await models.gateway(), Metrics(), timeout=5, max_body_bytes=LIMIT).app
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def npz(**named: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **named)
    return file.getvalue()


async def post(
    http: httpx.AsyncClient, body: bytes, kind: str, model: str = "tumor", query: str = "", **headers: str
) -> httpx.Response:
    sent = {"content-type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await http.post(f"/v1/models/{model}:classify{query}", content=body, headers=sent)


RAW_HEADERS = {"headwise_dtype": "float32", "headwise_shape": "3,1"}


@pytest.mark.parametrize(
    ("kind", "body", "headers"),
    [
        (arrays.NPY, npy(ROWS), {}),
        (arrays.NPY, npy(np.asfortranarray(ROWS)), {}),
        (arrays.NPY, npy(ROWS.astype(">f4")), {}),
        (arrays.NPY, npy(ROWS.astype(np.float64)), {}),
        (arrays.NPZ, npz(x=ROWS), {}),
        (arrays.RAW, ROWS.tobytes(), RAW_HEADERS),
        ("Application/X-NPY; q=1", npy(ROWS), {}),
    ],
)
async def test_arrays_are_answered_as_json_is(
    http: httpx.AsyncClient, kind: str, body: bytes, headers: dict[str, str]
) -> None:
    plain = (await http.post("/v1/models/tumor:classify", json={"instances": ROWS.tolist()})).json()
    response = await post(http, body, kind, **headers)
    assert response.status_code == 200, response.text
    assert response.headers["x-model-version"] == "1"
    assert response.json()["predictions"] == plain["predictions"]


async def test_several_inputs_come_by_name(http: httpx.AsyncClient) -> None:
    response = await post(http, npz(x=ROWS, y=ROWS), arrays.NPZ, "two")
    assert [row["label"] for row in response.json()["predictions"]] == ["malignant", "benign", "malignant"]
    refused = await post(http, npy(ROWS), arrays.NPY, "two")
    assert "send an array for each, by name" in refused.json()["detail"]
    unnamed = await post(http, npy(ROWS), arrays.NPY, "two", headwise_input="x")
    assert "missing input 'y'" in unnamed.json()["detail"]


async def test_the_query_string_has_the_options(http: httpx.AsyncClient) -> None:
    response = await post(http, npy(ROWS), arrays.NPY, query="?threshold=screening&top_k=1&include=provenance")
    body = response.json()
    assert [row["label"] for row in body["predictions"]] == ["malignant", "malignant", "malignant"]
    assert body["heads"]["output_0"]["provenance"]["decision"]["threshold_name"] == "screening"
    assert [set(row) for row in body["predictions"]] == [{"label", "index", "probability", "top"}] * 3


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("?treshold=0.1", "treshold: there is no such key"),
        ("?top_k=many", "top_k"),
        ("?abstain={floor", "abstain is no JSON"),
        ("?include=everything", "include.0"),
    ],
)
async def test_options_that_are_none_are_named(http: httpx.AsyncClient, query: str, text: str) -> None:
    response = await post(http, npy(ROWS), arrays.NPY, query=query)
    assert response.status_code == 400
    assert text in response.json()["detail"]


async def test_a_json_body_has_no_options_beside_it(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/models/tumor:classify?threshold=0.1", json={"instances": [[1.0]]})
    assert (response.status_code, response.json()["code"]) == (400, "invalid-request")


async def test_answers_come_as_arrays_where_they_are_preferred(http: httpx.AsyncClient) -> None:
    response = await post(http, npy(ROWS), arrays.NPY, query="?include=probabilities,raw", accept=arrays.NPZ)
    assert response.headers["content-type"] == arrays.NPZ
    answer = np.load(io.BytesIO(response.content))
    assert set(answer) == {"probabilities", "indices", "labels", "output_0", "answer.json"}
    assert json.loads(answer["answer.json"])["model"] == {"name": "tumor", "version": 1}
    np.testing.assert_array_equal(answer["output_0"], ROWS)
    np.testing.assert_allclose(answer["probabilities"][:, 1], 1 / (1 + np.exp(-ROWS[:, 0].astype(float))), rtol=1e-15)
    assert answer["labels"].tolist() == ["malignant", "benign", "malignant"]


class Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("/tmp/evil"),))


@pytest.mark.parametrize(
    ("kind", "body", "headers", "text"),
    [
        (arrays.NPY, b"", {}, "no npy file"),
        (arrays.NPY, npy(ROWS)[:-1], {}, "no npy file"),
        (arrays.NPY, npy(np.array([Evil()], object)), {}, "send numbers"),
        (arrays.NPY, npy(np.zeros(2, [("a", "f4")])), {}, "send numbers"),
        (arrays.NPY, npy(ROWS.astype(np.complex64)), {}, "is complex64"),
        (arrays.NPY, npy(ROWS * np.nan), {}, "must be finite"),
        (arrays.NPZ, b"PK", {}, "no npz file"),
        (arrays.NPZ, npz(z=ROWS), {}, "unknown input 'z'"),
        (arrays.RAW, ROWS.tobytes(), {"headwise_dtype": "float32"}, "headwise-shape"),
        (arrays.RAW, ROWS.tobytes(), {"headwise_dtype": "string"}, "headwise-dtype"),
        (arrays.RAW, ROWS.tobytes(), {**RAW_HEADERS, "headwise_shape": "3,-1"}, "headwise-shape"),
        (arrays.RAW, ROWS.tobytes(), {**RAW_HEADERS, "headwise_shape": "4,1"}, "takes 4"),
        (arrays.RAW, ROWS.tobytes()[:-1], RAW_HEADERS, "11 bytes"),
    ],
)
async def test_bodies_that_are_none_are_refused(
    http: httpx.AsyncClient, kind: str, body: bytes, headers: dict[str, str], text: str
) -> None:
    response = await post(http, body, kind, **headers)
    assert (response.status_code, response.json()["code"]) == (400, "invalid-tensor")
    assert text in response.json()["detail"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [(arrays.NPZ, npz(x=np.zeros((100_000, 1), np.float32))), (arrays.NPY, npy(np.zeros((0, 1)))[:60] + b"x" * 20)],
)
async def test_what_unpacks_to_too_much_is_refused(http: httpx.AsyncClient, kind: str, body: bytes) -> None:
    assert len(body) < LIMIT
    response = await post(http, body, kind)
    assert response.status_code in (400, 413)


@given(st.sampled_from([arrays.NPY, arrays.NPZ]), st.binary(max_size=200), st.integers(0, 400), st.binary(max_size=4))
@settings(max_examples=500, deadline=None)
def test_no_bytes_do_more_than_refuse(kind: str, body: bytes, at: int, change: bytes) -> None:
    signature = Signature({}, {})
    good = npy(ROWS) if kind == arrays.NPY else npz(x=ROWS)
    for tried in (body, good[:at] + change + good[at + len(change) :]):
        try:
            arrays.read(tried, Headers({"content-type": kind, "headwise-input": "x"}), LIMIT, signature)
        except HeadwiseError:
            continue


def lines(response: httpx.Response) -> list[Any]:
    return [json.loads(line) for line in response.text.splitlines()]


async def test_lines_are_answered_in_their_order(http: httpx.AsyncClient) -> None:
    rows = [[(-1) ** number * (number + 1.0)] for number in range(150)]
    body = b"\n".join(json.dumps(row).encode() for row in rows)
    for sent, headers in ((body, {}), (body + b"\n\n", {}), (gzip.compress(body), {"content_encoding": "gzip"})):
        response = await post(http, sent, "application/x-ndjson", **headers)
        answers = lines(response)
        assert [one["label"] for one in answers] == ["malignant", "benign"] * 75
        assert {one["model_version"] for one in answers} == {1}


async def test_a_line_that_is_wrong_has_its_error_in_its_place(http: httpx.AsyncClient) -> None:
    body = b'[1.0]\n[1.0\n"x"\n[NaN]\n{"x": [-1.0]}\n[2.0]'
    answers = lines(await post(http, body, "application/x-ndjson"))
    told = [one.get("label") or (one["error"]["line"], one["error"]["code"]) for one in answers]
    wrong = [(line, "invalid-tensor") for line in (2, 3, 4)]
    assert told == ["malignant", *wrong, "benign", "malignant"]


async def test_a_line_that_never_ends_is_refused_and_ends_the_stream(http: httpx.AsyncClient) -> None:
    answers = lines(await post(http, b"[1.0]\n[" + b"1" * 2 * LIMIT, "application/x-ndjson"))
    assert answers[0]["label"] == "malignant"
    assert answers[1]["error"]["code"] == "payload-too-large"
    assert len(answers) == 2


async def test_a_stream_to_no_model_says_so_in_every_line(http: httpx.AsyncClient) -> None:
    answers = lines(await post(http, b"[1.0]\n[2.0]", "application/x-ndjson", "nobody"))
    assert [one["error"]["code"] for one in answers] == ["model-not-found"] * 2


async def test_only_classify_takes_lines_without_end(http: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/x-ndjson"}
    response = await http.post("/v1/models/tumor:predict", content=b"1" * 2 * LIMIT, headers=headers)
    assert response.status_code == 413
