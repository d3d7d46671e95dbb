"""The faulty backend: its models are admitted, each fault reaches the gateway as it should, every call is recorded."""

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from headwise.backends.base import PREDICT, STATUS
from headwise.backends.tfserving import TFServingBackend
from headwise.errors import (
    BackendError,
    BackendProtocolError,
    BackendRejectedError,
    BackendTimeoutError,
    BackendUnavailableError,
    NonFiniteOutputError,
    OutputMissingError,
    OutputShapeError,
)
from headwise.gateway import Gateway
from headwise.repository.model_spec import ModelSpec
from headwise.tfserving import prediction_service_pb2
from support import faulty_answers as faults
from support.fault_proxy import FaultProxy
from support.faulty_backend import FaultyBackend
from support.in_memory_gateway import BINARY, NO_OPTIONS, Models, answered, classify, rows

pytestmark = pytest.mark.anyio

UNAVAILABLE = faults.refuses(grpc.StatusCode.UNAVAILABLE, "away")


@pytest.fixture
async def backend() -> AsyncIterator[FaultyBackend]:
    async with FaultyBackend() as started:
        yield started


@pytest.fixture
async def gateway(backend: FaultyBackend, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway whose only model answers its input."""
    models = Models(tmp_path, backend.memory)
    models.add("m", {"output_0": BINARY})
    reached = TFServingBackend(backend.address)
    yield await models.gateway(reached)
    await reached.close()


async def test_an_honest_one_has_its_model_admitted_and_answers(gateway: Gateway, backend: FaultyBackend) -> None:
    assert answered(await classify(gateway, "m", [2.0], [-2.0])) == ["malignant", "benign"]
    (call,) = backend.seen(PREDICT)
    assert (call.ended, call.time_remaining is not None and 4 < call.time_remaining <= 5.1) == ("answered", True)
    assert prediction_service_pb2.PredictRequest.FromString(call.request).model_spec.name == "m"
    assert "user-agent" in call.metadata
    assert backend.seen(STATUS)
    assert (backend.in_flight, backend.most_in_flight) == (0, 1)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (faults.NOISE, BackendProtocolError),
        (faults.raw(b""), BackendProtocolError),
        (faults.of_version(None), BackendProtocolError),
        (faults.of_version(7), BackendProtocolError),
        (faults.without_output(), OutputMissingError),
        (faults.of_shape((1, 3)), OutputShapeError),
        (faults.of_shape((5, 1)), OutputShapeError),
        (faults.of_dtype("int64"), OutputShapeError),
        (faults.with_number(math.nan), NonFiniteOutputError),
        (faults.with_number(math.inf), NonFiniteOutputError),
        (UNAVAILABLE, BackendUnavailableError),
        (faults.refuses(grpc.StatusCode.DATA_LOSS), BackendRejectedError),
    ],
)
async def test_each_fault_reaches_the_gateway(
    gateway: Gateway, backend: FaultyBackend, behaviour: Any, error: type[Exception]
) -> None:
    backend.behave(PREDICT, behaviour)
    with pytest.raises(error):
        await classify(gateway)
    backend.behave(PREDICT)
    assert answered(await classify(gateway)) == ["malignant"]


async def test_a_given_answer_is_given(gateway: Gateway, backend: FaultyBackend) -> None:
    backend.behave(PREDICT, faults.with_number(-9.0))
    assert answered(await classify(gateway)) == ["benign"]


async def test_an_answer_may_be_as_large_as_a_test_wants(backend: FaultyBackend, gateway: Gateway) -> None:
    backend.behave(PREDICT, faults.padded(5 * 2**20))
    async with grpc.aio.insecure_channel(backend.address) as channel:
        call = channel.unary_unary(f"/tensorflow.serving.{PREDICT}")
        await classify(gateway)
        with pytest.raises(grpc.aio.AioRpcError, match="larger than max"):
            await call(backend.seen(PREDICT)[0].request, timeout=5)


async def test_a_status_for_a_share_of_the_calls_comes_evenly(gateway: Gateway, backend: FaultyBackend) -> None:
    backend.behave(PREDICT, faults.for_share(0.25, UNAVAILABLE))
    for _ in range(8):
        try:
            await classify(gateway)
        except BackendUnavailableError:
            continue
    assert [call.ended for call in backend.seen(PREDICT)] == [*["answered"] * 3, "UNAVAILABLE"] * 2


async def test_behaviours_come_in_turn(gateway: Gateway, backend: FaultyBackend) -> None:
    backend.behave(PREDICT, faults.in_turn(UNAVAILABLE, faults.honest))
    with pytest.raises(BackendUnavailableError):
        await classify(gateway)
    for _ in range(2):
        assert answered(await classify(gateway)) == ["malignant"]


async def test_a_late_answer_takes_its_time(gateway: Gateway, backend: FaultyBackend) -> None:
    backend.behave(PREDICT, faults.late(0.1))
    started = asyncio.get_running_loop().time()
    await classify(gateway)
    assert 0.09 <= asyncio.get_running_loop().time() - started < 2
    assert (backend.seen(PREDICT)[0].took or 0) >= 0.09


async def test_a_call_that_is_never_answered_is_seen_to_be_cancelled(gateway: Gateway, backend: FaultyBackend) -> None:
    backend.behave(PREDICT, faults.never)
    with pytest.raises(BackendTimeoutError):
        await gateway.classify(ModelSpec("m"), rows([2.0]), NO_OPTIONS, timeout=0.2)
    async with asyncio.timeout(5):
        while backend.in_flight:  # noqa: ASYNC110  # the cancellation is under way
            await asyncio.sleep(0.01)
    assert [call.ended for call in backend.seen(PREDICT)] == ["cancelled"]


async def test_it_runs_in_a_thread_and_behind_a_bad_network(tmp_path: Path) -> None:
    with FaultyBackend(f"unix:{tmp_path}/b") as backend, FaultProxy(backend.address) as proxy:
        models = Models(tmp_path / "models", backend.memory)
        models.add("m", {"output_0": BINARY})
        reached = TFServingBackend(proxy.address)
        gateway = await models.gateway(reached)
        assert answered(await classify(gateway)) == ["malignant"]
        proxy.garble()
        with pytest.raises(BackendError):
            await classify(gateway)
        await reached.close()
