"""What is refused for its size, and what is refused for now, is told alike by every protocol, in its own way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from tensorflow import make_tensor_proto
from tensorflow_serving.apis import classification_pb2, inference_pb2, predict_pb2, regression_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc as tfs

from headwise.admission import Admission
from headwise.backends.in_memory import InMemoryBackend
from headwise.errors import BackendRejectedError, BackendUnavailableError, HeadwiseError
from headwise.v1 import classification_service_pb2 as v1
from headwise.v2 import open_inference_pb2 as v2
from support.in_memory_gateway import BINARY, Models
from support.protocols import PROTOCOLS, RefusedError
from support.pushback import pushback
from support.surfaces import Case, Surfaces, serving

pytestmark = pytest.mark.anyio

ROWS = [[0.5], [-1.0], [2.0]]
X = np.array(ROWS, np.float32)


@pytest.fixture
def models(tmp_path: Path) -> Models:
    published = Models(tmp_path)
    published.add("m", {"output_0": BINARY})
    published.add("raw", None)
    return published


async def predict_http(surfaces: Surfaces, model: str) -> httpx.Response:
    return await surfaces.http.post(f"/v1/models/{model}:predict", json={"instances": ROWS})


async def columns_http(surfaces: Surfaces, model: str) -> httpx.Response:
    return await surfaces.http.post(f"/v1/models/{model}:predict", json={"inputs": ROWS})


async def regress_http(surfaces: Surfaces, model: str) -> httpx.Response:
    return await surfaces.http.post(f"/v1/models/{model}:regress", json={"examples": [{"x": row} for row in ROWS]})


async def classify_http(surfaces: Surfaces, model: str) -> httpx.Response:
    return await surfaces.http.post(f"/v1/models/{model}:classify", json={"instances": ROWS})


async def infer_http(surfaces: Surfaces, model: str) -> httpx.Response:
    tensor = {"name": "x", "shape": X.shape, "datatype": "FP32", "data": X.ravel().tolist()}
    return await surfaces.http.post(f"/v2/models/{model}/infer", json={"inputs": [tensor]})


HTTP: Mapping[str, Callable[[Surfaces, str], Awaitable[httpx.Response]]] = {
    "TFS predict": predict_http,
    "TFS predict, columns": columns_http,
    "TFS regress": regress_http,
    "V2": infer_http,
}


def classify(surfaces: Surfaces, model: str) -> Any:
    tensor = v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=X.shape, content=X.tobytes())
    request = v1.ClassifyRequest(model=v1.ModelSpec(name=model), inputs={"x": tensor})
    return surfaces.grpc.Classify(request, timeout=20)


def predict(surfaces: Surfaces, model: str) -> Any:
    request = predict_pb2.PredictRequest(inputs={"x": make_tensor_proto(X)})
    request.model_spec.name = model
    return tfs.PredictionServiceStub(surfaces.channel).Predict(request, timeout=20)


def predict_one_for_all(surfaces: Surfaces, model: str) -> Any:
    """One number stands for a billion rows."""
    request = predict_pb2.PredictRequest(inputs={"x": make_tensor_proto(1.0, shape=(10**9, 1))})
    request.model_spec.name = model
    return tfs.PredictionServiceStub(surfaces.channel).Predict(request, timeout=20)


def _examples(request: Any) -> Any:
    for row in ROWS:
        request.input.example_list.examples.add().features.feature["x"].float_list.value.extend(row)
    return request


def tfs_classify(surfaces: Surfaces, model: str) -> Any:
    request = _examples(classification_pb2.ClassificationRequest())
    request.model_spec.name = model
    return tfs.PredictionServiceStub(surfaces.channel).Classify(request, timeout=20)


def tfs_regress(surfaces: Surfaces, model: str) -> Any:
    request = _examples(regression_pb2.RegressionRequest())
    request.model_spec.name = model
    return tfs.PredictionServiceStub(surfaces.channel).Regress(request, timeout=20)


def multi_inference(surfaces: Surfaces, model: str) -> Any:
    request = _examples(inference_pb2.MultiInferenceRequest())
    request.tasks.add(method_name="tensorflow/serving/classify").model_spec.name = model
    return tfs.PredictionServiceStub(surfaces.channel).MultiInference(request, timeout=20)


def infer(surfaces: Surfaces, model: str) -> Any:
    request = v2.ModelInferRequest(model_name=model, raw_input_contents=[X.tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=X.shape)
    return surfaces.channel.unary_unary(
        "/inference.GRPCInferenceService/ModelInfer", v2.ModelInferRequest.SerializeToString
    )(request, timeout=20)


GRPC: Mapping[str, Callable[[Surfaces, str], Any]] = {
    "headwise": classify,
    "TFS Predict": predict,
    "TFS Classify": tfs_classify,
    "TFS Regress": tfs_regress,
    "TFS MultiInference": multi_inference,
    "V2": infer,
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_rows_beyond_the_bound_are_refused_by_every_protocol(models: Models, protocol: str) -> None:
    async with serving(models, admission=Admission(rows=2)) as surfaces:
        assert len((await PROTOCOLS[protocol](surfaces, Case("m", ROWS[:2]))).probabilities) == 2
        with pytest.raises(RefusedError, match=r"3 rows, 2 are taken \(max_rows\)") as refused:
            await PROTOCOLS[protocol](surfaces, Case("m", ROWS))
    assert refused.value.status in (413, "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize("model", ["m", "raw"])
@pytest.mark.parametrize("method", HTTP)
async def test_rows_of_raw_numbers_are_bounded_too(models: Models, method: str, model: str) -> None:
    async with serving(models, admission=Admission(rows=2)) as surfaces:
        answer = await HTTP[method](surfaces, model)
    assert (answer.status_code, "retry-after" in answer.headers) == (413, False)
    assert "3 rows, 2 are taken (max_rows)" in answer.json()["error"]


@pytest.mark.parametrize("model", ["m", "raw"])
@pytest.mark.parametrize("method", [*GRPC, "one number for all"])
async def test_rows_over_grpc_are_bounded_whether_or_not_a_card_speaks(models: Models, method: str, model: str) -> None:
    async with serving(models, admission=Admission(rows=2)) as surfaces:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await {**GRPC, "one number for all": predict_one_for_all}[method](surfaces, model)
    if (method, model) == ("headwise", "raw"):
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        return
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "rows, 2 are taken (max_rows)" in (refused.value.details() or "")
    assert pushback(refused.value) is None, "time does not heal it"


class Refusing(InMemoryBackend):
    """Fails every call for numbers once it is told to."""

    failure: HeadwiseError | None = None

    async def predict(self, *args: Any, **options: Any) -> Any:
        if self.failure is not None:
            raise self.failure
        return await super().predict(*args, **options)

    async def forward(self, *args: Any, **options: Any) -> Any:
        if self.failure is not None:
            raise self.failure
        return await super().forward(*args, **options)

    async def regress(self, *args: Any, **options: Any) -> Any:
        if self.failure is not None:
            raise self.failure
        return await super().regress(*args, **options)


HEALED = {
    "the model server is busy": BackendRejectedError("RESOURCE_EXHAUSTED", "the queue is full"),
    "the model server says so": BackendRejectedError("UNAVAILABLE", "loading"),
    "the model server is away": BackendUnavailableError("away"),
    "the gateway is full": None,
}


@pytest.mark.parametrize("failure", HEALED)
@pytest.mark.parametrize("method", GRPC)
async def test_what_time_heals_says_so_on_every_surface_of_grpc(models: Models, method: str, failure: str) -> None:
    backend = Refusing(models.backend.models)
    admission = Admission(in_flight=0) if HEALED[failure] is None else None
    async with serving(models, backend=backend, admission=admission) as surfaces:
        backend.failure = HEALED[failure]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await GRPC[method](surfaces, "m")
    assert pushback(refused.value) == 1.0


@pytest.mark.parametrize("failure", HEALED)
async def test_what_time_heals_says_so_in_a_stream(models: Models, failure: str) -> None:
    backend = Refusing(models.backend.models)
    admission = Admission(in_flight=0) if HEALED[failure] is None else None
    tensor = v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=X.shape, content=X.tobytes())
    request = v1.ClassifyRequest(model=v1.ModelSpec(name="m"), inputs={"x": tensor})
    async with serving(models, backend=backend, admission=admission) as surfaces:
        backend.failure = HEALED[failure]
        stream = surfaces.grpc.ClassifyStream(iter([v1.ClassifyStreamRequest(id="1", request=request)]), timeout=20)
        (told,) = [one async for one in stream]
    assert told.error.retryable


@pytest.mark.parametrize("failure", HEALED)
@pytest.mark.parametrize("method", [*HTTP, "headwise"])
async def test_what_time_heals_says_so_on_every_surface_of_http(models: Models, method: str, failure: str) -> None:
    backend = Refusing(models.backend.models)
    admission = Admission(in_flight=0) if HEALED[failure] is None else None
    async with serving(models, backend=backend, admission=admission) as surfaces:
        backend.failure = HEALED[failure]
        answer = await {**HTTP, "headwise": classify_http}[method](surfaces, "m")
    assert answer.headers["retry-after"] == "1"
    assert answer.json().get("retryable", True), answer.text
