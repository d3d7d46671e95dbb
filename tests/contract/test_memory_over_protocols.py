"""Memory for what a request brings and for its answer is promised before it is taken, over every protocol."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import orjson
import pytest
from tensorflow import make_tensor_proto
from tensorflow_serving.apis import classification_pb2, predict_pb2

from headwise.admission import Admission
from headwise.backends.in_memory import InMemoryBackend
from headwise.v1 import classification_service_pb2 as v1
from headwise.v2 import open_inference_pb2 as v2
from support.control_group import ControlGroup
from support.in_memory_gateway import BINARY, Models
from support.pushback import pushback
from support.surfaces import Surfaces, serving

pytestmark = pytest.mark.anyio

CLASSES = 1000


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path / "repository")


@pytest.fixture
def wide(tmp_path: Path) -> Models:
    """Models that answer a row with a thousand numbers, with a card and without."""
    published = Models(tmp_path / "models")
    outputs = {"output_0": ("float32", (None, CLASSES))}
    head = {"task": "multiclass", "activation": "linear", "labels": [f"class {n}" for n in range(CLASSES)]}
    for name, heads in (("wide", {"output_0": head}), ("wide_raw", None)):
        published.add(name, heads, outputs=outputs, run=lambda inputs: {"output_0": np.repeat(inputs["x"], CLASSES, 1)})
    return published


MANY = np.linspace(-1, 1, 200, dtype=np.float32).reshape(-1, 1)


async def _npz(surfaces: Surfaces, model: str) -> httpx.Response:
    body = {"instances": MANY.tolist()}
    accept = {"accept": "application/x-npz"}
    return await surfaces.http.post(f"/v1/models/{model}:classify", json=body, headers=accept)


async def _over_http(path: str, model: str, surfaces: Surfaces) -> int:
    rows = MANY.tolist()
    bodies: Mapping[str, tuple[str, dict[str, Any]]] = {
        "classify": ("v1/models/{}:classify", {"instances": rows}),
        "classify, the long way": ("v1/models/{}:classify", {"inputs": {"x": rows}}),
        "predict": ("v1/models/{}:predict", {"instances": rows}),
        "examples": ("v1/models/{}:classify", {"examples": [{"x": row} for row in rows]}),
        "infer": (
            "v2/models/{}/infer",
            {"inputs": [{"name": "x", "shape": MANY.shape, "datatype": "FP32", "data": MANY.ravel().tolist()}]},
        ),
    }
    if path == "npz":
        return (await _npz(surfaces, model)).status_code
    place, body = bodies[path]
    return (await surfaces.http.post("/" + place.format(model), json=body)).status_code


ANSWERS_HTTP = {
    (path, model)
    for path in ("classify", "classify, the long way", "npz", "examples", "predict", "infer")
    for model in ("wide", "wide_raw")
    if model == "wide" or path in ("predict", "infer")
}


@pytest.mark.parametrize(("path", "model"), sorted(ANSWERS_HTTP))
async def test_a_large_answer_over_http_needs_memory_that_is_there(
    wide: Models, tmp_path: Path, path: str, model: str
) -> None:
    group = ControlGroup(tmp_path, 1000)
    admission = Admission(memory=group.memory())
    async with serving(wide, admission=admission) as surfaces:
        group.use(899)
        with admission.room("another"):
            assert await _over_http(path, model, surfaces) == 503
            group.use(800)
            assert await _over_http(path, model, surfaces) == 200
        assert not admission.promised


def _grpc_request(method: str, rows: np.ndarray[Any, Any]) -> tuple[str, Any]:
    """Its path, and a message."""
    tensor = v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=rows.shape, content=rows.tobytes())
    if method == "headwise":
        spec = v1.ModelSpec(name="wide")
        return "/headwise.v1.ClassificationService/Classify", v1.ClassifyRequest(model=spec, inputs={"x": tensor})
    if method == "V2":
        infer = v2.ModelInferRequest(model_name="wide", raw_input_contents=[rows.tobytes()])
        infer.inputs.add(name="x", datatype="FP32", shape=rows.shape)
        return "/inference.GRPCInferenceService/ModelInfer", infer
    if method == "Predict":
        predict = predict_pb2.PredictRequest(inputs={"x": make_tensor_proto(rows)})
        predict.model_spec.name = "wide"
        return "/tensorflow.serving.PredictionService/Predict", predict
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name = "wide"
    for row in rows.tolist():
        classify.input.example_list.examples.add().features.feature["x"].float_list.value.extend(row)
    return "/tensorflow.serving.PredictionService/Classify", classify


async def _over_grpc(surfaces: Surfaces, method: str, rows: np.ndarray[Any, Any]) -> bytes:
    path, request = _grpc_request(method, rows)
    answer: bytes = await surfaces.channel.unary_unary(path, type(request).SerializeToString)(request, timeout=20)
    return answer


@pytest.mark.parametrize("method", ["headwise", "V2", "Classify"])
async def test_a_large_answer_over_grpc_needs_memory_that_is_there(wide: Models, tmp_path: Path, method: str) -> None:
    await _grpc_needs_memory(wide, ControlGroup(tmp_path, 1000), method, MANY)


@pytest.mark.parametrize("method", ["headwise", "V2", "Classify", "Predict"])
async def test_a_large_message_over_grpc_needs_memory_that_is_there(
    models: Models, tmp_path: Path, method: str
) -> None:
    models.add("wide", {"output_0": BINARY}, inputs={"x": ("float32", (None, 200_000))}, run=_first)
    rows = np.zeros((1, 200_000), np.float32)
    await _grpc_needs_memory(models, ControlGroup(tmp_path / "group", 1000), method, rows)


def _first(inputs: Any) -> Any:
    return {"output_0": inputs["x"][:, :1]}


async def _grpc_needs_memory(models: Models, group: ControlGroup, method: str, rows: np.ndarray[Any, Any]) -> None:
    admission = Admission(memory=group.memory())
    async with serving(models, admission=admission) as surfaces:
        group.use(899)
        with admission.room("another"):
            with pytest.raises(grpc.aio.AioRpcError, match="memory runs short") as refused:
                await _over_grpc(surfaces, method, rows)
            assert pushback(refused.value) == 1.0
            group.use(800)
            assert await _over_grpc(surfaces, method, rows)
        assert not admission.promised


async def test_a_large_message_of_a_stream_needs_memory_that_is_there(models: Models, tmp_path: Path) -> None:
    models.add("wide", {"output_0": BINARY}, inputs={"x": ("float32", (None, 200_000))}, run=_first)
    group = ControlGroup(tmp_path / "group", 1000)
    admission = Admission(memory=group.memory())
    _, request = _grpc_request("headwise", np.zeros((1, 200_000), np.float32))
    async with serving(models, admission=admission) as surfaces:
        group.use(899)
        with admission.room("another"):
            stream = surfaces.grpc.ClassifyStream(iter([v1.ClassifyStreamRequest(id="1", request=request)]), timeout=20)
            (told,) = [one async for one in stream]
    assert (told.error.code, told.error.retryable, admission.promised) == ("overloaded", True, 0)


def _npz_body(rows: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, x=rows)
    return file.getvalue()


async def test_what_is_packed_in_an_archive_needs_memory_for_all_of_it(models: Models, tmp_path: Path) -> None:
    models.add("wide", {"output_0": BINARY}, inputs={"x": ("float32", (None, 200_000))}, run=_first)
    group = ControlGroup(tmp_path / "group", 1000)
    admission = Admission(memory=group.memory())
    body = _npz_body(np.zeros((1, 200_000), np.float32))
    assert len(body) < 10_000
    headers = {"content-type": "application/x-npz"}
    async with serving(models, admission=admission) as surfaces:
        group.use(899)
        with admission.room("another"):
            answer = await surfaces.http.post("/v1/models/wide:classify", content=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
            group.use(800)
            answer = await surfaces.http.post("/v1/models/wide:classify", content=body, headers=headers)
            assert answer.status_code == 200


class Hanging(InMemoryBackend):
    """Answers when it is let go."""

    def __init__(self, models: Any) -> None:
        super().__init__(models)
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def predict(self, *args: Any, **options: Any) -> Any:
        self.asked.set()
        await self.go.wait()
        return await super().predict(*args, **options)


_WIDE = [[0.5] * 50_000]
_TENSOR = {"name": "x", "shape": [1, 50_000], "datatype": "FP32", "data": _WIDE[0]}
READ: Mapping[str, tuple[str, Any, dict[str, str]]] = {
    "classify": ("v1/models/wide:classify", {"instances": _WIDE}, {}),
    "arrays": (
        "v1/models/wide:classify",
        _npz_body(np.array(_WIDE, np.float32)),
        {"content-type": "application/x-npz"},
    ),
    "predict": ("v1/models/wide:predict", {"instances": _WIDE}, {}),
    "infer": ("v2/models/wide/infer", {"inputs": [_TENSOR]}, {}),
}


@pytest.mark.parametrize("path", READ)
async def test_what_a_body_was_promised_is_given_back_once_it_is_read(
    models: Models, tmp_path: Path, path: str
) -> None:
    """It has been taken then, and a look shows it: while the model server is asked it must not count twice."""
    models.add("wide", {"output_0": BINARY}, inputs={"x": ("float32", (None, 50_000))}, run=_first)
    backend = Hanging(models.backend.models)
    admission = Admission(memory=ControlGroup(tmp_path / "group", 1000).memory())
    place, body, headers = READ[path]
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    async with serving(models, backend=backend, admission=admission) as surfaces:
        asking = asyncio.create_task(surfaces.http.post(f"/{place}", content=content, headers=headers))
        await backend.asked.wait()
        assert (admission.in_flight, admission.promised) == (1, 0)
        backend.go.set()
        assert (await asking).status_code == 200
