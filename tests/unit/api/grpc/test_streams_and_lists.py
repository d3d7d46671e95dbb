"""ClassifyStream, GetHead, ListModels, reflection, and health by model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from headwise.api.grpc import classification
from headwise.api.grpc.server import GrpcServer
from headwise.backends.base import Arrays, RawPrediction
from headwise.backends.in_memory import InMemoryBackend
from headwise.repository.model_spec import ModelSpec
from headwise.telemetry.metrics import Metrics
from headwise.v1 import classification_service_pb2 as v1
from headwise.v1.classification_service_pb2_grpc import ClassificationServiceStub
from support.in_memory_gateway import BINARY, Models

pytestmark = pytest.mark.anyio


@pytest.fixture
def models(tmp_path: Path) -> Models:
    models = Models(tmp_path)
    models.add("tumor", {"output_0": BINARY})
    models.add("raw", None)
    return models


class Counting(InMemoryBackend):
    """Counts the rows that have begun, and holds them until it is told to go on."""

    begun = 0
    held: asyncio.Event | None = None

    async def predict(
        self, spec: ModelSpec, inputs: Arrays, *, timeout: float, outputs: tuple[str, ...] = ()
    ) -> RawPrediction:
        self.begun += len(next(iter(inputs.values())))
        if self.held is not None:
            await self.held.wait()
        return await super().predict(spec, inputs, timeout=timeout, outputs=outputs)


@asynccontextmanager
async def serving(
    models: Models, backend: InMemoryBackend | None = None
) -> AsyncIterator[tuple[GrpcServer, grpc.aio.Channel, Any]]:
    gateway = await models.gateway(backend)
    server = GrpcServer(gateway, ("127.0.0.1", 0), Metrics(), timeout=5, max_bytes=2**20, reflection=True)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield server, channel, ClassificationServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
    finally:
        await server.stop(0)


def item(number: float, model: str = "tumor") -> v1.ClassifyStreamRequest:
    content = np.array([[number]], "<f4").tobytes()
    tensor = v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=(1, 1), content=content)
    request = v1.ClassifyRequest(model=v1.ModelSpec(name=model), inputs={"x": tensor})
    return v1.ClassifyStreamRequest(id=f"{number:g}", request=request)


async def test_a_stream_answers_in_order_and_goes_on_after_errors(models: Models) -> None:
    sent = [
        item(2.0),
        item(-2.0),
        item(1.0, "nobody"),
        item(float("nan")),
        v1.ClassifyStreamRequest(id="empty"),
        item(3.0),
    ]
    async with serving(models) as (_, _, stub):
        answers = [answer async for answer in stub.ClassifyStream(iter(sent))]
    assert [answer.id for answer in answers] == ["2", "-2", "1", "nan", "empty", "3"]
    told = [answer.error.code or answer.response.heads["output_0"].labels[0] for answer in answers]
    assert told == ["malignant", "benign", "model-not-found", "invalid-tensor", "invalid-request", "malignant"]
    assert answers[2].error.status == grpc.StatusCode.NOT_FOUND.value[0]
    assert not answers[2].error.retryable


async def test_each_answer_comes_before_the_next_request(models: Models) -> None:
    async with serving(models) as (_, _, stub):
        call = stub.ClassifyStream()
        for number in (1.0, -1.0):
            await call.write(item(number))
            answer = await asyncio.wait_for(call.read(), 5)
            assert answer.id == f"{number:g}"
        await call.done_writing()
        assert await call.read() == grpc.aio.EOF


async def test_a_long_stream_is_read_only_a_little_ahead(models: Models) -> None:
    backend = Counting(models.backend.models)
    async with serving(models, backend) as (_, _, stub):
        backend.held = asyncio.Event()
        call = stub.ClassifyStream(iter([item(float(number)) for number in range(200)]))
        reading = asyncio.ensure_future(anext(answers := aiter(call)))
        before = -1
        while before != backend.begun:
            before = backend.begun
            await asyncio.sleep(0.1)
        assert backend.begun == classification.READ_AHEAD
        backend.held.set()
        first = await reading
        rest = [answer async for answer in answers]
    assert [answer.id for answer in (first, *rest)] == [f"{number}" for number in range(200)]


async def test_a_caller_who_leaves_ends_the_stream(models: Models) -> None:
    backend = Counting(models.backend.models)
    async with serving(models, backend) as (_, _, stub):
        call = stub.ClassifyStream()
        await call.write(item(1.0))
        await call.read()
        call.cancel()
        assert await call.code() is grpc.StatusCode.CANCELLED
    assert backend.begun == 1


async def test_a_caller_who_leaves_stops_what_is_worked_on(models: Models) -> None:
    backend = Counting(models.backend.models)
    async with serving(models, backend) as (_, _, stub):
        backend.held = asyncio.Event()
        call = stub.ClassifyStream(iter([item(float(number)) for number in range(50)]))
        while backend.begun < classification.READ_AHEAD:  # noqa: ASYNC110  # the server's side, without an event
            await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.sleep(0.2)
        running = [task for task in asyncio.all_tasks() if "_item" in str(task.get_coro())]
        assert running == []
    assert backend.begun == classification.READ_AHEAD


async def test_long_texts_of_any_script_arrive_cut(models: Models) -> None:
    async with serving(models) as (_, _, stub):
        for name in ("画像" * 3000, "a" * 20_000, "%" * 9000):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.Classify(v1.ClassifyRequest(model=v1.ModelSpec(name=name)))
            assert raised.value.code() is grpc.StatusCode.NOT_FOUND
            assert (raised.value.details() or "").startswith("there is no model")


async def test_the_card_is_told_as_it_stands(models: Models) -> None:
    async with serving(models) as (_, _, stub):
        found = await stub.GetHead(v1.GetHeadRequest(model=v1.ModelSpec(name="tumor")))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.GetHead(v1.GetHeadRequest(model=v1.ModelSpec(name="raw")))
    assert (found.model_name, found.model_version) == ("tumor", 1)
    assert json.loads(found.card)["signatures"]["serving_default"]["heads"]["output_0"]["task"] == "binary"
    assert len(found.card_digest) == 64
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_every_model_is_listed(models: Models) -> None:
    async with serving(models) as (_, _, stub):
        listed = {model.name: model for model in (await stub.ListModels(v1.ListModelsRequest())).models}
    (tumor,), (raw,) = listed["tumor"].versions, listed["raw"].versions
    assert (tumor.version, tumor.state, tumor.ready, tumor.HasField("reason")) == (1, "AVAILABLE", True, False)
    assert list(tumor.heads["output_0"].labels) == ["benign", "malignant"]
    assert (raw.ready, raw.code) == (False, "head-not-found")


async def test_health_follows_each_model(models: Models) -> None:
    response = health_pb2.HealthCheckResponse
    async with serving(models) as (server, channel, _):
        check = health_pb2_grpc.HealthStub(channel).Check

        async def states() -> list[int]:
            names = ("", "tensorflow.serving.PredictionService", "inference.GRPCInferenceService", "tumor", "gone")
            return [(await check(health_pb2.HealthCheckRequest(service=name))).status for name in names]

        await server.set_ready(True, {"tumor": True, "gone": False})
        assert await states() == [response.SERVING] * 4 + [response.NOT_SERVING]
        await server.set_ready(False, {"tumor": True})
        assert await states() == [response.NOT_SERVING] * 3 + [response.SERVING, response.SERVICE_UNKNOWN]
        await server.set_ready(False)
        assert (await states())[:4] == [response.NOT_SERVING] * 4
        with pytest.raises(grpc.aio.AioRpcError):
            await check(health_pb2.HealthCheckRequest(service="nobody"))


async def test_who_watches_health_hears_of_the_end_and_does_not_hold_it_up(models: Models) -> None:
    response = health_pb2.HealthCheckResponse
    async with serving(models) as (server, channel, _):
        await server.set_ready(True)
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == response.SERVING
        await server.set_ready(False)
        assert (await watch.read()).status == response.NOT_SERVING
        async with asyncio.timeout(20):
            await server.stop(60)
        assert await watch.code() == grpc.StatusCode.UNAVAILABLE


async def test_reflection_shows_every_service_under_its_official_name(models: Models) -> None:
    ask = reflection_pb2.ServerReflectionRequest
    async with serving(models) as (_, channel, _):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        services = ("tensorflow.serving.PredictionService", "inference.GRPCInferenceService", classification.NAME)
        sent = [ask(list_services="*"), *(ask(file_containing_symbol=name) for name in services)]
        listed, *files = [answer async for answer in stub.ServerReflectionInfo(iter(sent))]
    names = {service.name for service in listed.list_services_response.service}
    assert names >= {*services, "tensorflow.serving.ModelService", "grpc.health.v1.Health"}
    pool = DescriptorPool()
    protos = [
        descriptor_pb2.FileDescriptorProto.FromString(data)
        for answer in files
        for data in answer.file_descriptor_response.file_descriptor_proto
    ]
    waiting = list({proto.name: proto for proto in protos}.values())
    while waiting:  # files come before what they import
        ready = [proto for proto in waiting if not {*proto.dependency} & {other.name for other in waiting}]
        assert ready, [proto.name for proto in waiting]
        for proto in ready:
            pool.Add(proto)
        waiting = [proto for proto in waiting if proto not in ready]
    predict = pool.FindMethodByName("tensorflow.serving.PredictionService.Predict")
    assert predict.input_type.full_name == "tensorflow.serving.PredictRequest"
    assert predict.input_type.fields_by_name["inputs"].message_type.fields_by_name["value"].message_type.full_name == (
        "tensorflow.TensorProto"
    )
    assert pool.FindMessageTypeByName("inference.ModelInferRequest")
