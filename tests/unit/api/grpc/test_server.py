"""The gRPC port: Classify, its errors with their stable codes, health, metrics, start and stop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from headwise.api.grpc.server import GrpcServer
from headwise.backends.base import Arrays, Backend, RawPrediction
from headwise.backends.in_memory import InMemoryBackend
from headwise.errors import BackendTimeoutError, BackendUnavailableError, ConfigurationError
from headwise.ports import HeldPort
from headwise.repository.model_spec import ModelSpec
from headwise.telemetry.metrics import Metrics
from headwise.v1 import classification_service_pb2 as v1
from headwise.v1.classification_service_pb2_grpc import ClassificationServiceStub
from support.in_memory_gateway import BINARY, Models

pytestmark = pytest.mark.anyio

LOOPBACK = ("127.0.0.1", 0)


@pytest.fixture
def models(tmp_path: Path) -> Models:
    models = Models(tmp_path)
    models.add("tumor", {"output_0": BINARY})
    models.add("refused", {"output_0": {**BINARY, "activation": "softmax"}})
    models.add("raw", None)
    return models


class Scripted(InMemoryBackend):
    """Before each prediction calls `before`, which may raise; notes the deadline it was given."""

    before: Callable[[], Any] = staticmethod(lambda: None)
    timeout = 0.0

    async def predict(
        self, spec: ModelSpec, inputs: Arrays, *, timeout: float, outputs: tuple[str, ...] = ()
    ) -> RawPrediction:
        self.timeout = timeout
        waited = self.before()
        if waited is not None:
            await waited
        return await super().predict(spec, inputs, timeout=timeout, outputs=outputs)


@asynccontextmanager
async def serving(
    models: Models, backend: Backend | None = None, metrics: Metrics | None = None, max_bytes: int = 4096
) -> AsyncIterator[tuple[GrpcServer, grpc.aio.Channel]]:
    server = GrpcServer(await models.gateway(backend), LOOPBACK, metrics or Metrics(), timeout=5, max_bytes=max_bytes)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield server, channel
    finally:
        await server.stop(0)


def request(name: str = "tumor", *values: float, **fields: Any) -> v1.ClassifyRequest:
    numbers = np.array(values or [2.0], "<f4")
    tensor = v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=(len(numbers), 1), content=numbers.tobytes())
    return v1.ClassifyRequest(model=v1.ModelSpec(name=name), inputs={"x": tensor}, **fields)


def stub(channel: grpc.aio.Channel) -> Any:
    return ClassificationServiceStub(channel)  # type: ignore[no-untyped-call]  # as grpc generates it


async def classify(channel: grpc.aio.Channel, asked: v1.ClassifyRequest, **how: Any) -> v1.ClassifyResponse:
    answer: v1.ClassifyResponse = await stub(channel).Classify(asked, **{"timeout": 10, **how})
    return answer


async def failed(channel: grpc.aio.Channel, asked: v1.ClassifyRequest, **how: Any) -> tuple[str, str, dict[str, str]]:
    """Status, details and trailing metadata of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await classify(channel, asked, **how)
    error = raised.value
    trailers = {key: value for key, value in error.trailing_metadata() or () if isinstance(value, str)}
    return error.code().name, error.details() or "", trailers


async def test_classify_answers_with_the_callers_request_id(models: Models) -> None:
    async with serving(models) as (_, channel):
        answer = await classify(channel, request("tumor", 2.0, -2.0), metadata=(("x-request-id", "id-3"),))
    assert (answer.request_id, answer.model_name, answer.model_version) == ("id-3", "tumor", 1)
    assert list(answer.heads["output_0"].labels) == ["malignant", "benign"]


@pytest.mark.parametrize(
    ("asked", "status", "code", "text"),
    [
        (request("tumour"), "NOT_FOUND", "model-not-found", "did you mean tumor?"),
        (request("raw"), "NOT_FOUND", "head-not-found", "no head card"),
        (request("refused"), "FAILED_PRECONDITION", "head-config", "one softmax unit"),
        (v1.ClassifyRequest(), "INVALID_ARGUMENT", "invalid-request", "model.name is empty"),
        (v1.ClassifyRequest(model=v1.ModelSpec(name="tumor")), "INVALID_ARGUMENT", "invalid-tensor", "missing input"),
        (request("tumor", float("nan")), "INVALID_ARGUMENT", "invalid-tensor", "must be finite"),
        (request(options=v1.ClassifyOptions(top_k=0)), "INVALID_ARGUMENT", "invalid-request", "a whole number from 1"),
    ],
)
async def test_errors_carry_their_stable_code(
    models: Models, asked: v1.ClassifyRequest, status: str, code: str, text: str
) -> None:
    async with serving(models) as (_, channel):
        said, details, trailers = await failed(channel, asked, metadata=(("x-request-id", "id-4"),))
    assert (said, trailers["headwise-error-code"], trailers["x-request-id"]) == (status, code, "id-4")
    assert text in details


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (BackendUnavailableError("down"), "UNAVAILABLE", "backend-unavailable"),
        (BackendTimeoutError("late"), "DEADLINE_EXCEEDED", "backend-timeout"),
        (ZeroDivisionError("a secret"), "INTERNAL", "internal"),
    ],
)
async def test_failures_behind_the_gateway_keep_secrets(
    models: Models, failure: Exception, status: str, code: str
) -> None:
    def fail() -> None:
        raise failure

    backend = Scripted(models.backend.models)
    backend.before = fail
    with capture_logs():
        async with serving(models, backend) as (_, channel):
            said, details, trailers = await failed(channel, request())
    assert (said, trailers["headwise-error-code"]) == (status, code)
    assert "secret" not in details


async def test_the_callers_deadline_reaches_the_backend_but_not_beyond_the_gateways(models: Models) -> None:
    backend = Scripted(models.backend.models)
    async with serving(models, backend) as (_, channel):
        await classify(channel, request(), timeout=2)
        assert 0 < backend.timeout < 3  # gRPC rounds deadlines
        await classify(channel, request(), timeout=60)
        assert 4 < backend.timeout <= 5
        await classify(channel, request(), timeout=None)
        assert 4 < backend.timeout <= 5


async def test_a_message_above_the_limit_is_refused(models: Models) -> None:
    async with serving(models, max_bytes=64) as (_, channel):
        status, _, _ = await failed(channel, request("tumor", *range(100)))
    assert status == "RESOURCE_EXHAUSTED"


def counted(metrics: Metrics) -> list[tuple[str, str]]:
    """Model and status of each series, ordered."""
    return sorted(
        (sample.labels["model"], sample.labels["status"])
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "headwise_requests_total"
    )


async def test_calls_are_counted_by_known_model_and_status(models: Models) -> None:
    metrics = Metrics()
    async with serving(models, metrics=metrics) as (_, channel):
        await classify(channel, request())
        await failed(channel, request("made-up"))
    assert counted(metrics) == [("other", "NOT_FOUND"), ("tumor", "OK")]


async def test_a_caller_who_goes_away_is_no_internal_error(models: Models) -> None:
    reached, metrics = asyncio.Event(), Metrics()

    async def wait() -> None:
        reached.set()
        await asyncio.Event().wait()

    backend = Scripted(models.backend.models)
    backend.before = wait
    async with serving(models, backend, metrics) as (_, channel):
        call = stub(channel).Classify(request(), timeout=10)
        sending = asyncio.ensure_future(call.code())
        await reached.wait()
        call.cancel()
        await sending
        async with asyncio.timeout(10):
            while not counted(metrics):  # noqa: ASYNC110  # the server's side ends after ours, without an event
                await asyncio.sleep(0.01)
    assert counted(metrics) == [("tumor", "CANCELLED")]


@pytest.mark.parametrize("service", ["", "headwise.v1.ClassificationService"])
async def test_health_follows_readiness(models: Models, service: str) -> None:
    async with serving(models) as (server, channel):
        check = health_pb2_grpc.HealthStub(channel).Check
        asked = health_pb2.HealthCheckRequest(service=service)
        answers = [(await check(asked)).status]
        for ready in (True, False):
            await server.set_ready(ready)
            answers.append((await check(asked)).status)
    response = health_pb2.HealthCheckResponse
    assert answers == [response.NOT_SERVING, response.SERVING, response.NOT_SERVING]


async def test_a_port_in_use_is_told(models: Models, capfd: pytest.CaptureFixture[str]) -> None:
    async with serving(models) as (server, _):
        second = GrpcServer(await models.gateway(), ("127.0.0.1", server.port), Metrics(), timeout=5, max_bytes=4096)
        with pytest.raises(ConfigurationError, match=f"gRPC cannot listen on 127.0.0.1:{server.port}"):
            await second.start()
        await second.stop(0)


async def test_a_port_can_be_shared(models: Models) -> None:
    with HeldPort("grpc", *LOOPBACK) as held:
        servers = [
            GrpcServer(
                await models.gateway(), (held.host, held.port), Metrics(), timeout=5, max_bytes=4096, shared_port=True
            )
            for _ in range(2)
        ]
        for server in servers:
            await server.start()
        assert [server.port for server in servers] == [held.port] * 2
        for server in servers:
            await server.stop(0)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_ipv6_hosts_are_bracketed(models: Models) -> None:
    server = GrpcServer(await models.gateway(), ("::1", 0), Metrics(), timeout=5, max_bytes=4096)
    await server.start()
    assert server.port > 0
    await server.stop(0)


@pytest.mark.parametrize("grace", [30, 0.1])
async def test_a_stop_that_waits_can_be_hurried(models: Models, grace: float) -> None:
    backend, held = Scripted(models.backend.models), asyncio.Event()
    backend.before = held.wait
    async with serving(models, backend) as (server, channel):
        asked = [asyncio.create_task(classify(channel, request())) for _ in range(3)]
        async with asyncio.timeout(5):
            while not backend.timeout:  # noqa: ASYNC110  # nobody tells of it
                await asyncio.sleep(0.01)
        waiting = asyncio.create_task(server.stop(grace))
        await asyncio.sleep(0.1)  # the shorter grace ends as the hurry comes
        await asyncio.wait_for(asyncio.gather(waiting, server.stop(None)), 5)
        await asyncio.wait(asked, timeout=5)
        assert all(isinstance(each.exception(), grpc.aio.AioRpcError) for each in asked)
