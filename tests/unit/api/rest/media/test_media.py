"""Bodies that are no JSON, through the whole application: arrays in and out, lines in and out."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import zipfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from headwise.api.rest.app import create_app
from headwise.api.rest.content import RequestHeaders
from headwise.api.rest.media import arrays, ndjson
from headwise.errors import HeadwiseError, PayloadTooLargeError
from headwise.savedmodel import Signature
from headwise.telemetry.metrics import Metrics
from support.in_memory_gateway import BINARY, Models

pytestmark = pytest.mark.anyio

ROWS = np.array([[2.0], [-2.0], [0.5]], np.float32)
LIMIT = 4096


def broken(_: Any) -> Any:
    raise ZeroDivisionError("a secret")


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
    models.add("sigmoid", {"output_0": {**BINARY, "activation": "sigmoid"}})
    positions = {"x": ("float32", (None, 2, 1))}
    models.add("positions", {"output_0": BINARY}, inputs=positions, outputs={"output_0": positions["x"]})
    models.add("broken", {"output_0": BINARY}, run=broken)
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


def npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The beginning of an .npy file."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def packed_with(packing: int) -> bytes:
    """An archive that is packed as numpy never packs."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        archive.writestr(zipfile.ZipInfo("x.npy"), npy(ROWS), packing)
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
        (arrays.NPY, npy(ROWS).replace(b"(3, 1)", b"(3L,1)"), {}),  # as Python 2 wrote it, of which numpy warns
        (arrays.NPZ, npz(x=ROWS), {}),
        (arrays.RAW, ROWS.tobytes(), RAW_HEADERS),
        ("Application/X-NPY; q=1", npy(ROWS), {}),
    ],
    ids=map(str, range(99)),
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
    ids=map(str, range(99)),
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
    ids=map(str, range(99)),
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
            arrays.read(
                tried, RequestHeaders([(b"content-type", kind.encode()), (b"headwise-input", b"x")]), LIMIT, signature
            )
        except HeadwiseError:
            continue


def lines(response: httpx.Response) -> list[Any]:
    return [json.loads(line) for line in response.text.splitlines()]


def labelled(line: Any) -> Any:
    """The label, or the number of the line and the code of its error."""
    return line["prediction"]["label"] if "prediction" in line else (line["error"]["line"], line["error"]["code"])


async def test_lines_are_answered_in_their_order(http: httpx.AsyncClient) -> None:
    rows = [[(-1) ** number * (number + 1.0)] for number in range(150)]
    body = b"\n".join(json.dumps(row).encode() for row in rows)
    for sent, headers in (
        (body, {}),
        (body + b"\n\n", {}),
        (gzip.compress(body, mtime=0), {"content_encoding": "gzip"}),
    ):
        response = await post(http, sent, "application/x-ndjson", **headers)
        answers = lines(response)
        assert [one["prediction"]["label"] for one in answers] == ["malignant", "benign"] * 75
        assert {one["model_version"] for one in answers} == {1}


async def test_a_line_that_is_wrong_has_its_error_in_its_place(http: httpx.AsyncClient) -> None:
    body = b'[1.0]\n[1.0\n"x"\n[NaN]\n{"x": [-1.0]}\n[2.0]'
    answers = lines(await post(http, body, "application/x-ndjson"))
    told = [labelled(one) for one in answers]
    wrong = [(line, "invalid-tensor") for line in (2, 3, 4)]
    assert told == ["malignant", *wrong, "benign", "malignant"]


async def test_a_line_that_never_ends_is_refused_and_ends_the_stream(http: httpx.AsyncClient) -> None:
    answers = lines(await post(http, b"[1.0]\n[" + b"1" * 2 * LIMIT, "application/x-ndjson"))
    assert labelled(answers[0]) == "malignant"
    assert answers[1]["error"]["code"] == "payload-too-large"
    assert len(answers) == 2


async def test_a_row_that_the_head_refuses_fails_alone(http: httpx.AsyncClient) -> None:
    answers = lines(await post(http, b"[0.75]\n[1.5]\n[0.25]", "application/x-ndjson", "sigmoid"))
    assert [labelled(one) for one in answers] == ["malignant", (2, "output-range"), "benign"]


async def test_positions_have_lines_too(http: httpx.AsyncClient) -> None:
    (answer,) = lines(await post(http, b"[[1.0], [-1.0]]", "application/x-ndjson", "positions"))
    assert [one["label"] for one in answer["prediction"]] == ["malignant", "benign"]


async def test_an_error_that_nobody_expected_ends_in_a_line(http: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        answers = lines(await post(http, b"[1.0]\n[2.0]", "application/x-ndjson", "broken"))
    assert [one["error"]["code"] for one in answers] == ["internal"] * 2
    assert "secret" not in str(answers)
    assert any(log["event"] == "internal error" for log in logs)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            gzip.compress(b"[1.0]\n[2.0]\n", mtime=0) + gzip.compress(b"[-1.0]\n", mtime=0),
            ["malignant", "malignant", "benign"],
        ),
        (gzip.compress(b"[1.0]\n[2.0]\n", mtime=0)[:-9], [(3, "invalid-request")]),
        (gzip.compress(b"[1.0]\n" * 70, mtime=0)[:-9], ["malignant"] * 64 + [(71, "invalid-request")]),
        (b"no gzip", [(1, "invalid-request")]),
        (b"", []),
    ],
    ids=map(str, range(99)),
)
async def test_packed_lines_are_whole_or_refused(http: httpx.AsyncClient, body: bytes, told: list[Any]) -> None:
    answers = lines(await post(http, body, "application/x-ndjson", content_encoding="gzip"))
    assert [labelled(one) for one in answers][-1:] == told[-1:]
    if all(isinstance(one, str) for one in told):
        assert [labelled(one) for one in answers] == told


async def test_a_long_line_in_small_pieces_costs_no_more_than_its_length() -> None:
    """Each piece is looked at once: 400,000 of them would else take minutes."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(400_000):
            yield b"12345678"
        yield b"\nend"

    found = [line async for line in ndjson.lines(pieces(), 2**22, gzip=False)]
    assert list(map(len, found)) == [3_200_000, 3]


async def test_packed_lines_are_unpacked_a_little_at_a_time() -> None:
    async def packed() -> AsyncIterator[bytes]:
        yield gzip.compress(b"x" * 2**26, mtime=0)

    with pytest.raises(PayloadTooLargeError):
        _ = [line async for line in ndjson.lines(packed(), 2**17, gzip=True)]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (npy_header("|S0", (10**13,)), arrays.NPY),
        (npy_header("<U0", (10**8,)), arrays.NPY),
        (npy_header("<U1", (1,)) + (0xD800).to_bytes(4, "little"), arrays.NPY),
        (npy_header("<U1", (1,)) + (0x7FFFFFFF).to_bytes(4, "little"), arrays.NPY),
        (packed_with(zipfile.ZIP_LZMA), arrays.NPZ),
        (packed_with(zipfile.ZIP_BZIP2), arrays.NPZ),
    ],
    ids=map(str, range(99)),
)
async def test_arrays_that_are_traps_are_refused(http: httpx.AsyncClient, body: bytes, kind: str) -> None:
    response = await post(http, body, kind)
    assert response.status_code in (400, 413), response.text


@pytest.mark.parametrize(
    "query", ["?top_k=" + "9" * 5000, '?decision={"\\ud800":{"rule":"x"}}', "?threshold=" + "[" * 5000]
)
async def test_options_that_are_traps_are_refused(http: httpx.AsyncClient, query: str) -> None:
    response = await post(http, npy(ROWS), arrays.NPY, query=query)
    assert response.status_code == 400, response.text
    shape = await post(http, b"", arrays.RAW, headwise_dtype="float32", headwise_shape="9" * 5000)
    assert shape.status_code == 400


async def test_what_no_line_can_mend_is_refused_as_a_whole(http: httpx.AsyncClient) -> None:
    response = await post(http, b"[1.0]\n[2.0]", "application/x-ndjson", "nobody")
    assert (response.status_code, response.json()["code"]) == (404, "model-not-found")
    response = await post(http, b"[1.0]", "application/x-ndjson", query="?threshold=7")
    assert (response.status_code, response.json()["code"]) == (400, "invalid-request")


async def test_a_line_is_answered_before_the_next_one_comes() -> None:
    asked: list[Any] = []
    answered_one = asyncio.Event()

    async def come() -> AsyncIterator[bytes]:
        yield b"1"
        await asyncio.wait_for(answered_one.wait(), 5)
        for number in range(2, 200):
            yield str(number).encode()

    async def answer(rows: Sequence[Any]) -> list[Any]:
        asked.append(list(rows))
        return list(rows)

    found = []
    async for line in ndjson.answered(come(), answer):
        found.append(line)
        answered_one.set()
    assert b"".join(found).split() == [str(number).encode() for number in range(1, 200)]
    assert asked[0] == [1]
    assert max(map(len, asked)) <= ndjson.ROWS
    assert len(asked) < 50


async def test_only_classify_takes_lines_without_end(http: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/x-ndjson"}
    response = await http.post("/v1/models/tumor:predict", content=b"1" * 2 * LIMIT, headers=headers)
    assert response.status_code == 413
