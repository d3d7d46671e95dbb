"""Every method of gRPC, whoever asks: the list is the servicers' own, so no method can be forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from headwise.access.scopes import VERBS
from headwise.api.grpc.calls import Calls
from headwise.api.grpc.classification import ClassificationServicer
from headwise.api.grpc.server import GrpcServer
from headwise.api.grpc.tfs.services import TfsServicer
from headwise.api.grpc.v2.service import InferenceServicer
from headwise.api.timeouts import Timeouts
from headwise.savedmodel.tensors import to_proto
from headwise.telemetry.metrics import Metrics
from headwise.tfserving import inference_pb2, prediction_service_pb2
from headwise.v1 import classification_service_pb2 as v1
from headwise.v2 import open_inference_pb2 as v2
from support.access import NOW, Keys, bearer
from support.in_memory_gateway import BINARY, Models
from support.keys_of_routes import ANY_KEY, GRPC, NO_KEY

pytestmark = pytest.mark.anyio

STREAM = "headwise.v1.ClassificationService/ClassifyStream"
TFS = "tensorflow.serving.PredictionService"


@dataclass
class House:
    """A gateway of two models that asks for keys, over gRPC."""

    keys: Keys
    server: GrpcServer
    channel: grpc.aio.Channel

    async def ask(self, method: str, request: Message | bytes, key: str | None = None, **headers: str) -> bytes:
        """Ask with a key, or with none; of a stream the first answer."""
        data = request if isinstance(request, bytes) else request.SerializeToString()
        metadata = tuple({**({} if key is None else bearer(key)), **headers}.items())
        if method == STREAM:
            stream = self.channel.stream_stream(f"/{method}")(iter([data]), metadata=metadata, timeout=10)
            return bytes(await stream.read())
        answer: bytes = await self.channel.unary_unary(f"/{method}")(data, metadata=metadata, timeout=10)
        return answer

    async def status(self, method: str, request: Message | bytes, key: str | None = None, **headers: str) -> str:
        """The name of the status that a call ends with, or that the item of a stream has."""
        try:
            answer = await self.ask(method, request, key, **headers)
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
        if method == STREAM and (told := v1.ClassifyStreamResponse.FromString(answer)).HasField("error"):
            return next(str(code.name) for code in grpc.StatusCode if code.value[0] == told.error.status)
        return "OK"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    models, keys = Models(tmp_path), Keys()
    for name in ("tumor", "secret"):
        models.add(name, {"output_0": BINARY})
    gateway = await models.gateway(access=keys.access())
    server = GrpcServer(gateway, ("127.0.0.1", 0), Metrics(), timeout=10, max_bytes=2**20)
    await server.start()
    await server.set_ready(True, {"tumor": True, "secret": True})
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield House(keys, server, channel)
    await server.stop(0)


def requests(model: str) -> dict[str, Message]:
    """A request of every method that one can ask of a model."""
    x = np.array([[2.0]], np.float32)
    spec = prediction_service_pb2.ModelSpec(name=model)
    example = inference_pb2.Input()
    feature = example.example_list.examples.add().features.feature["x"]
    feature.float_list.value.append(2.0)
    classify = v1.ClassifyRequest(
        model=v1.ModelSpec(name=model),
        inputs={"x": v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=[1, 1], content=x.tobytes())},
    )
    tensor = v2.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[1, 1])
    tensor.contents.fp32_contents.append(2.0)
    task = inference_pb2.InferenceTask(model_spec=spec, method_name="tensorflow/serving/classify")
    return {
        "headwise.v1.ClassificationService/Classify": classify,
        STREAM: v1.ClassifyStreamRequest(id="1", request=classify),
        "headwise.v1.ClassificationService/GetHead": v1.GetHeadRequest(model=v1.ModelSpec(name=model)),
        "headwise.v1.ClassificationService/ListModels": v1.ListModelsRequest(),
        f"{TFS}/Predict": prediction_service_pb2.PredictRequest(model_spec=spec, inputs={"x": to_proto(x)}),
        f"{TFS}/Classify": inference_pb2.ClassificationRequest(model_spec=spec, input=example),
        f"{TFS}/Regress": inference_pb2.RegressionRequest(model_spec=spec, input=example),
        f"{TFS}/MultiInference": inference_pb2.MultiInferenceRequest(tasks=[task], input=example),
        f"{TFS}/GetModelMetadata": prediction_service_pb2.GetModelMetadataRequest(
            model_spec=spec, metadata_field=["signature_def"]
        ),
        "tensorflow.serving.ModelService/GetModelStatus": prediction_service_pb2.RequestSpec(model_spec=spec),
        "inference.GRPCInferenceService/ServerLive": v2.ServerLiveRequest(),
        "inference.GRPCInferenceService/ServerReady": v2.ServerReadyRequest(),
        "inference.GRPCInferenceService/ServerMetadata": v2.ServerMetadataRequest(),
        "inference.GRPCInferenceService/ModelReady": v2.ModelReadyRequest(name=model),
        "inference.GRPCInferenceService/ModelMetadata": v2.ModelMetadataRequest(name=model),
        "inference.GRPCInferenceService/ModelInfer": v2.ModelInferRequest(model_name=model, inputs=[tensor]),
        "inference.GRPCInferenceService/RepositoryIndex": v2.RepositoryIndexRequest(),
    }


async def test_every_method_of_the_servicers_says_what_it_needs(tmp_path: Path) -> None:
    gateway = await Models(tmp_path).gateway()
    calls = Calls(gateway, Metrics(), timeouts=Timeouts(1, 1))
    handlers: list[Any] = [
        ClassificationServicer(gateway).handler(calls),
        *TfsServicer(gateway).handlers(calls),
        InferenceServicer(gateway, frozenset()).handler(calls),
    ]
    paths = {path.removeprefix("/") for handler in handlers for path in handler._method_handlers}
    assert paths == GRPC.keys() == requests("tumor").keys()


@pytest.mark.parametrize("method", GRPC)
async def test_a_method_answers_who_has_its_scope_and_nobody_else(house: House, method: str) -> None:
    needs, keys, request = GRPC[method], house.keys, requests("tumor")[method]
    known = keys.add("model:*:*")
    wrong = known[:-1] + ("A" if known[-1] != "A" else "B")
    nobody = [None, wrong, "hw_aaaaaaaa_" + "A" * 43, "nonsense", "", keys.add("model:*:*", expires=NOW)]
    others = [f"model:tumor:{verb}" for verb in VERBS if verb != needs]
    right = keys.add("model:nothing:admin") if needs in (NO_KEY, ANY_KEY) else keys.add(f"model:tumor:{needs}")
    poor = keys.add("model:secret:*", "model:tumo:*", "model:tumors:*", *others)

    await house.status(method, request, known)  # what one caller was answered opens nothing to the next
    for key in nobody:
        status = await house.status(method, request, key)
        assert (status == "UNAUTHENTICATED") is (needs != NO_KEY), status
    status = await house.status(method, request, poor)
    assert (status == "PERMISSION_DENIED") is (needs not in (NO_KEY, ANY_KEY)), status
    for key in (right, known):
        status = await house.status(method, request, key)

        assert status == "OK"
        assert await house.status(method, request, **{"x-api-key": key}) == status


@pytest.mark.parametrize("method", [method for method, needs in GRPC.items() if needs not in (NO_KEY, ANY_KEY)])
async def test_who_may_not_ask_for_a_model_learns_not_whether_it_is_there(house: House, method: str) -> None:
    key = house.keys.add("model:other*:*")
    for name in ("secret", "absent"):
        assert await house.status(method, requests(name)[method], key) == "PERMISSION_DENIED"


@pytest.mark.parametrize("method", ["Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata"])
async def test_bytes_that_name_no_model_are_for_who_may_ask_any(house: House, method: str) -> None:
    key, every = house.keys.add("model:tumor:*"), house.keys.add("model:*:*")
    for data in (b"", b"\xff\xff", b"\x0a\x02\x0a\xff"):
        refused = await house.status(f"{TFS}/{method}", data, key)
        assert refused in ("PERMISSION_DENIED", "INVALID_ARGUMENT")
        assert await house.status(f"{TFS}/{method}", data, every) not in ("PERMISSION_DENIED", "OK")


async def test_several_models_in_one_call_are_all_asked_for(house: House) -> None:
    key = house.keys.add("model:tumor:predict")
    request = requests("tumor")[f"{TFS}/MultiInference"]
    assert isinstance(request, inference_pb2.MultiInferenceRequest)
    assert await house.status(f"{TFS}/MultiInference", request, key) == "OK"
    request.tasks.add(model_spec={"name": "secret"}, method_name="tensorflow/serving/classify")
    assert await house.status(f"{TFS}/MultiInference", request, key) != "OK"
    request.tasks[0].model_spec.signature_name = "no_head"  # so that the model server would be asked
    assert await house.status(f"{TFS}/MultiInference", request, key) == "PERMISSION_DENIED"


async def test_lists_show_what_the_key_may_know_of(house: House) -> None:
    key = house.keys.add("model:tumor:metadata", "model:secret:predict")
    for method in ("headwise.v1.ClassificationService/ListModels", "inference.GRPCInferenceService/RepositoryIndex"):
        answer = await house.ask(method, requests("")[method], key)
        assert b"tumor" in answer
        assert b"secret" not in answer


async def test_health_is_open_and_knows_no_models(house: House) -> None:
    health = health_pb2_grpc.HealthStub(house.channel)
    assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health.Check(health_pb2.HealthCheckRequest(service="secret"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_stream_counts_each_request_and_ends_with_its_key(house: House) -> None:
    limited, revoked = house.keys.add("model:tumor:predict", rate="3/day"), house.keys.add("model:tumor:predict")
    item = requests("tumor")[STREAM].SerializeToString()

    async def answers(key: str, between: Any = None) -> list[str]:
        stream = house.channel.stream_stream(f"/{STREAM}")(metadata=tuple(bearer(key).items()), timeout=10)
        told = []
        for number in range(3):
            if number == 1 and between is not None:
                between()
            await stream.write(item)
            told.append(v1.ClassifyStreamResponse.FromString(await stream.read()).error.code)
        await stream.done_writing()
        return told

    assert await answers(limited) == ["", "", "rate-limited"], "opening it counts, too"
    unknown = "unauthenticated"
    assert await answers(revoked, lambda: house.keys.revoke(revoked)) == ["", unknown, unknown]


async def test_a_refusal_that_time_heals_says_when_in_both_of_grpcs_ways(house: House) -> None:
    key = house.keys.add("model:tumor:predict", rate="1/minute")
    method = "headwise.v1.ClassificationService/Classify"
    assert await house.status(method, requests("tumor")[method], key) == "OK"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await house.ask(method, requests("tumor")[method], key)
    error = caught.value
    trailers = dict(error.trailing_metadata() or ())
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert trailers["headwise-error-code"] == "rate-limited"
    assert 59_000 < int(trailers["grpc-retry-pushback-ms"]) <= 60_000
    told: Any = error
    status = rpc_status.from_call(told)
    info = RetryInfo()
    assert status.details[0].Unpack(info)
    assert info.retry_delay.ToMilliseconds() == int(trailers["grpc-retry-pushback-ms"])


async def test_other_refusals_do_not(house: House) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await house.ask("headwise.v1.ClassificationService/ListModels", b"")
    trailers = dict(caught.value.trailing_metadata() or ())
    assert trailers.keys() & {"grpc-retry-pushback-ms", "grpc-status-details-bin"} == set()
    assert "Authorization: Bearer KEY" in (caught.value.details() or "")


async def test_a_key_that_ends_stops_at_once(house: House) -> None:
    key = house.keys.add("model:*:*", expires=NOW + timedelta(seconds=5))
    method = "headwise.v1.ClassificationService/ListModels"
    assert await house.status(method, b"", key) == "OK"
    house.keys.now += timedelta(seconds=5)
    assert await house.status(method, b"", key) == "UNAUTHENTICATED"
