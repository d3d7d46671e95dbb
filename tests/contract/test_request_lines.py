"""Every protocol's request has one line in the log, which says who answered what, or which error it met; no values."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from structlog.testing import capture_logs

from headwise.savedmodel import tensors
from headwise.tfserving import prediction_service_pb2
from headwise.v1 import classification_service_pb2 as v1
from support.in_memory_gateway import BINARY, Models
from support.protocols import PROTOCOLS, RefusedError
from support.surfaces import Case, Surfaces, serving

pytestmark = pytest.mark.anyio

ROWS = [[2.0], [-1.0], [3.0]]
DECIDED = {"output_0": {"malignant": 2, "benign": 1}}
VERBS = {"HTTP": "classify", "gRPC": "classify", "TFS HTTP": "classify", "TFS gRPC": "classify"}
VALUE = "271828182.5"


@pytest.fixture
async def surfaces(tmp_path: Path) -> AsyncIterator[Surfaces]:
    models = Models(tmp_path)
    models.add("m", {"output_0": BINARY}, version=3)
    models.add("raw", None)
    async with serving(models) as served:
        yield served


def of_requests(lines: Any) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == "request"]


async def only(lines: Any) -> dict[str, Any]:
    """The one line of a request; over gRPC its caller may be answered before it is written."""
    async with asyncio.timeout(5):
        while not of_requests(lines):  # noqa: ASYNC110  # no event tells of it
            await asyncio.sleep(0.001)
    (line,) = of_requests(lines)
    return line


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_line_says_who_answered_and_what_was_decided(surfaces: Surfaces, protocol: str) -> None:
    with capture_logs() as lines:
        await PROTOCOLS[protocol](surfaces, Case("m", ROWS))
        line = await only(lines)
    surface = "grpc" if "gRPC" in protocol else "http"
    status = "OK" if surface == "grpc" else 200
    assert (line["surface"], line["status"], line["model"]) == (surface, status, "m")
    assert (line["version"], line["rows"], line["decided"]) == (3, 3, DECIDED)
    assert line["request_id"]
    assert line["milliseconds"] >= 0
    assert "code" not in line


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("case", "code"),
    [
        (Case("nobody", ROWS), {"model-not-found", "backend-rejected"}),
        (Case("m", ROWS, version=7), {"version-not-found", "backend-rejected"}),
        (Case("m", [[float(VALUE)] * 2]), {"invalid-tensor", "invalid-request", "backend-rejected"}),
    ],
)
async def test_a_line_says_which_error_and_not_its_text(
    surfaces: Surfaces, protocol: str, case: Case, code: set[str]
) -> None:
    with capture_logs() as lines:
        with pytest.raises(RefusedError):
            await PROTOCOLS[protocol](surfaces, case)
        line = await only(lines)
    assert line["code"] in code
    assert not {"version", "rows", "decided"} & line.keys()
    assert VALUE not in str(lines)


async def test_the_query_string_is_in_no_line(surfaces: Surfaces) -> None:
    with capture_logs() as lines:
        await surfaces.http.get("/v1/models/m?key=secret")
        await surfaces.http.post("/v1/models/m:classify?key=secret", content=b"{}")
        await surfaces.http.post("/v1/models/m?key=secret:classify", content=b"{}")
        await surfaces.http.get("/v2/models/m?key=secret")
    assert [(line["path"], line["model"]) for line in of_requests(lines)] == [
        ("/v1/models/m", "m"),
        ("/v1/models/m:classify", "m"),
        ("/v1/models/m", "m"),
        ("/v2/models/m", "m"),
    ]
    assert "secret" not in str(lines)


async def test_the_models_own_numbers_have_a_version_and_rows_and_no_labels(surfaces: Surfaces) -> None:
    with capture_logs() as lines:
        await surfaces.http.post("/v1/models/m:predict", content=json.dumps({"instances": ROWS}))
        await surfaces.http.post(
            "/v2/models/raw/infer",
            content=json.dumps({"inputs": [{"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [1, 2]}]}),
        )
    told = [(line["verb"], line["version"], line["rows"], "decided" in line) for line in of_requests(lines)]
    assert told == [("predict", 3, 3, False), ("infer", 1, 2, False)]


async def test_a_call_that_passes_as_bytes_says_who_answered(surfaces: Surfaces) -> None:
    request = prediction_service_pb2.PredictRequest(inputs={"x": tensors.to_proto(np.array(ROWS, np.float32))})
    request.model_spec.name = "m"
    with capture_logs() as lines:
        call = surfaces.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        await call(request.SerializeToString(), timeout=20)
        line = await only(lines)
    assert (line["verb"], line["version"], line["model"]) == ("predict", 3, "m")


async def test_a_stream_of_lines_is_told_as_a_whole(surfaces: Surfaces) -> None:
    body = b"".join(b"%s\n" % json.dumps(row).encode() for row in [*ROWS, "bad", [5.0]])
    with capture_logs() as lines:
        await surfaces.http.post(
            "/v1/models/m:classify", content=body, headers={"content-type": "application/x-ndjson"}
        )
    (line,) = of_requests(lines)
    assert (line["rows"], line["decided"]) == (4, {"output_0": {"malignant": 3, "benign": 1}})
    assert (line["status"], line["code"]) == (200, "invalid-tensor")


async def test_a_stream_of_calls_is_told_as_a_whole(surfaces: Surfaces) -> None:
    def asked(*values: float) -> v1.ClassifyStreamRequest:
        array = np.array(values, "<f4").reshape(-1, 1)
        tensor = v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=array.shape, content=array.tobytes())
        return v1.ClassifyStreamRequest(request=v1.ClassifyRequest(model=v1.ModelSpec(name="m"), inputs={"x": tensor}))

    with capture_logs() as lines:
        stream = surfaces.grpc.ClassifyStream(iter([asked(1.0), asked(2.0, -1.0), v1.ClassifyStreamRequest()]))
        assert len([answer async for answer in stream]) == 3
        line = await only(lines)
    assert (line["rows"], line["decided"]) == (3, DECIDED)
    assert (line["status"], line["code"], line["verb"]) == ("OK", "invalid-request", "classify_stream")


@pytest.mark.parametrize("given", ["", "-a", "a b", "A" * 129, "{}", "a;b"])
async def test_over_grpc_only_a_harmless_request_id_is_taken(surfaces: Surfaces, given: str) -> None:
    with capture_logs() as lines:
        request = v1.GetHeadRequest(model=v1.ModelSpec(name="m"))
        await surfaces.grpc.GetHead(request, timeout=20, metadata=(("x-request-id", given),))
        refused = await only(lines)
        lines.clear()
        await surfaces.grpc.GetHead(request, timeout=20, metadata=(("x-request-id", "id-7"),))
        taken = await only(lines)
    assert re.fullmatch("[0-9a-f]{32}", refused["request_id"])
    assert taken["request_id"] == "id-7"


async def test_over_grpc_a_binary_request_id_is_not_taken(surfaces: Surfaces) -> None:
    metadata = (("x-request-id-bin", b"\n\x1b[31m"),)
    with capture_logs() as lines:
        with pytest.raises(grpc.aio.AioRpcError):
            await surfaces.grpc.GetHead(v1.GetHeadRequest(), timeout=20, metadata=metadata)
        line = await only(lines)
    assert len(line["request_id"]) == 32
