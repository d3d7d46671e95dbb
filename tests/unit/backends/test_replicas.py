"""Several real gRPC servers as one backend: in turn, around those that fail, with a second try."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

import grpc
import numpy as np
import pytest

from headwise.backends.addresses import Lookup, lookup
from headwise.backends.base import METADATA, PREDICT, STATUS
from headwise.backends.in_memory import InMemoryBackend, InMemoryModel
from headwise.backends.replicas import Replicas
from headwise.backends.tfserving import TFServingBackend
from headwise.errors import BackendProtocolError, BackendRejectedError, BackendTimeoutError, BackendUnavailableError
from headwise.repository.model_spec import ModelSpec, VersionState
from headwise.telemetry.metrics import Metrics
from support import faulty_answers as faults
from support.fault_proxy import FaultProxy
from support.faulty_backend import FaultyBackend
from support.in_memory_gateway import as_it_is, signature_def

pytestmark = pytest.mark.anyio

SIGNATURES = {"serving_default": signature_def({"x": ("float32", (None, 1))}, {"output_0": ("float32", (None, 1))})}
ROWS = {"x": np.ones((1, 1), np.float32)}
UNAVAILABLE = faults.refuses(grpc.StatusCode.UNAVAILABLE, "away")


def serving(*versions: int) -> InMemoryBackend:
    return InMemoryBackend({"m": {version: InMemoryModel(SIGNATURES, as_it_is) for version in versions}})


@asynccontextmanager
async def servers(count: int, *versions: int) -> AsyncIterator[list[FaultyBackend]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(FaultyBackend(memory=serving(*versions or (1,)))) for _ in range(count)]


@asynccontextmanager
async def asked(
    *addresses: str, watched: bool = False, find: Lookup | None = None, metrics: Metrics | None = None
) -> AsyncIterator[Replicas]:
    """The backend of all addresses; watched: checks run."""
    replicas = Replicas(find or lookup(",".join(addresses)), partial(TFServingBackend, longest=1), metrics or Metrics())
    watching = asyncio.create_task(replicas.run()) if watched else None
    try:
        yield replicas
    finally:
        if watching is not None:
            watching.cancel()
        await replicas.close()


async def predict(replicas: Replicas, version: int | None = 1, *, timeout: float = 5.0) -> int:
    return (await replicas.predict(ModelSpec("m", version), ROWS, timeout=timeout)).version


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 10) -> float:
    """Seconds until a condition holds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110  # of another process
            await asyncio.sleep(0.02)
    return loop.time() - began


async def answers(replicas: Replicas) -> bool:
    try:
        await predict(replicas, timeout=0.5)
    except (BackendUnavailableError, BackendTimeoutError):
        return False
    return True


def counted(metrics: Metrics, what: str, of: FaultyBackend | FaultProxy) -> float | None:
    return metrics.registry.get_sample_value(f"headwise_backend_{what}_total", {"address": of.address})


async def test_calls_go_round() -> None:
    async with servers(3) as three, asked(*(one.address for one in three)) as replicas:
        for _ in range(9):
            await predict(replicas)
        assert [len(one.seen(PREDICT)) for one in three] == [3, 3, 3]


async def test_a_call_that_was_not_taken_is_made_again_elsewhere_and_counted() -> None:
    metrics = Metrics()
    async with servers(2) as (good, bad), asked(good.address, bad.address, metrics=metrics) as replicas:
        bad.behave(PREDICT, UNAVAILABLE)
        for _ in range(6):
            await predict(replicas)
        assert (len(good.seen(PREDICT)), len(bad.seen(PREDICT))) == (6, 3)
    assert (counted(metrics, "retries", bad), counted(metrics, "retries", good)) == (3, 0)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.refuses(grpc.StatusCode.INVALID_ARGUMENT), BackendRejectedError),
        (faults.refuses(grpc.StatusCode.INTERNAL), BackendRejectedError),
        (faults.refuses(grpc.StatusCode.RESOURCE_EXHAUSTED), BackendRejectedError),
        (faults.NOISE, BackendProtocolError),
        (faults.never, BackendTimeoutError),
    ],
    ids=["invalid", "internal", "busy", "noise", "late"],
)
async def test_nothing_else_is_made_again(fault: faults.Behaviour, error: type[Exception]) -> None:
    async with servers(2) as both, asked(*(one.address for one in both)) as replicas:
        for one in both:
            one.behave(PREDICT, fault)
        with pytest.raises(error):
            await predict(replicas, timeout=0.3)
        assert sum(len(one.seen(PREDICT)) for one in both) == 1


async def test_when_all_fail_the_second_tries_are_a_fifth() -> None:
    async with servers(1) as (one,), asked(one.address) as replicas:
        one.behave(PREDICT, faults.in_turn(*[UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, faults.honest] * 100, UNAVAILABLE))
        for _ in range(200):
            with suppress(BackendUnavailableError):
                await predict(replicas)
        assert len(one.seen(PREDICT)) <= 1.2 * 200 + 10


async def test_the_server_is_told_what_is_left_of_the_deadline_less_a_little() -> None:
    async with servers(1) as (one,), asked(one.address) as replicas:
        await predict(replicas, timeout=0.2)
        await predict(replicas, timeout=2.0)
        short, long = (call.time_remaining or 0 for call in one.seen(PREDICT))
        assert 0.1 < short < 0.195  # gRPC rounds up to milliseconds
        assert 1.8 < long < 1.99


async def test_one_whose_connections_break_is_ejected_then_nobody_is_asked_and_it_comes_back() -> None:
    metrics = Metrics()
    async with servers(1) as (one,):
        with FaultProxy(one.address) as proxy:
            async with asked(proxy.address, watched=True, metrics=metrics) as replicas:
                await until(partial(answers, replicas))
                proxy.refuse()
                proxy.reset_all()
                await until(lambda: _is(counted(metrics, "ejections", proxy) == 1))
                assert replicas.up == {proxy.address: False}
                with pytest.raises(BackendUnavailableError, match="not available"):
                    await predict(replicas)
                proxy.heal()
                await until(partial(answers, replicas))
                assert replicas.up == {proxy.address: True}


async def test_one_that_hangs_is_found_out_by_its_checks_and_comes_back_over_another_connection() -> None:
    metrics = Metrics()
    async with servers(1) as (one,):
        with FaultProxy(one.address) as proxy:
            async with asked(proxy.address, watched=True, metrics=metrics) as replicas:
                await until(partial(answers, replicas))
                before = proxy.counts.accepted
                proxy.hold()
                await until(lambda: _is(counted(metrics, "ejections", proxy) == 1))
                await until(lambda: _is(proxy.counts.accepted > before))
                proxy.heal()
                await until(partial(answers, replicas))


async def test_one_model_that_is_slow_ejects_nobody() -> None:
    metrics = Metrics()
    async with servers(1) as (one,), asked(one.address, watched=True, metrics=metrics) as replicas:
        one.behave(PREDICT, faults.never)
        for _ in range(12):
            with pytest.raises(BackendTimeoutError):
                await predict(replicas, timeout=0.05)
        one.behave(PREDICT)
        assert await predict(replicas) == 1
    assert counted(metrics, "ejections", one) == 0


async def test_the_others_answer_while_one_hangs() -> None:
    async with servers(2) as (good, bad):
        with FaultProxy(bad.address) as proxy:
            async with asked(good.address, proxy.address, watched=True) as replicas:
                await until(partial(answers, replicas))
                proxy.hold()
                came: list[bool] = []
                while len(came) < 40:
                    came.append(await answers(replicas))
                assert all(came[-10:]), "it was never ejected"


async def test_a_version_is_shown_when_all_have_it_and_asked_of_those_that_have_it() -> None:
    async with servers(2, 1) as (first, second), asked(first.address, second.address) as replicas:
        states = [await _states(replicas)]
        first.memory.models["m"][2] = InMemoryModel(SIGNATURES, as_it_is)
        states.append(await _states(replicas))
        second.memory.models["m"][2] = InMemoryModel(SIGNATURES, as_it_is)
        states.append(await _states(replicas))
        assert [state.get(2) for state in states] == [None, "LOADING", "AVAILABLE"]
        del second.memory.models["m"][1]
        await _states(replicas)
        assert [await predict(replicas, 1) for _ in range(4)] == [1] * 4
        assert len(first.seen(PREDICT)) == 4


async def test_a_server_that_has_no_such_model_is_no_reason_not_to_know_it() -> None:
    async with servers(2, 1) as (first, second), asked(first.address, second.address) as replicas:
        second.memory.models.clear()
        await _states(replicas)
        assert [await predict(replicas, 1) for _ in range(4)] == [1] * 4
        with pytest.raises(BackendRejectedError, match="NOT_FOUND"):
            await replicas.status(ModelSpec("n"), timeout=5)


async def test_a_full_queue_of_one_model_ejects_nobody() -> None:
    metrics = Metrics()
    async with servers(1) as (one,), asked(one.address, watched=True, metrics=metrics) as replicas:
        one.behave(PREDICT, UNAVAILABLE)
        for _ in range(30):
            with pytest.raises(BackendUnavailableError):
                await predict(replicas)
            await asyncio.sleep(0.01)
        one.behave(PREDICT)
        assert await predict(replicas) == 1
    assert counted(metrics, "ejections", one) == 0


async def test_nonsense_as_the_answer_to_a_check_is_a_sign_of_life_and_not_the_last_check() -> None:
    async with servers(1) as (one,):
        with FaultProxy(one.address) as proxy:
            async with asked(proxy.address, watched=True) as replicas:
                one.behave(STATUS, faults.NOISE)
                await until(partial(answers, replicas))
                await asyncio.sleep(1.2)
                one.behave(STATUS)
                proxy.refuse()
                proxy.reset_all()
                await asyncio.sleep(1.2)
                proxy.heal()
                await until(partial(answers, replicas))


async def test_a_server_that_lets_one_question_pass_says_what_it_said_last() -> None:
    async with servers(2, 1) as (first, second), asked(first.address, second.address) as replicas:
        await _states(replicas)
        first.memory.models["m"][2] = InMemoryModel(SIGNATURES, as_it_is)
        second.behave(STATUS, faults.never)
        status: Any = await replicas.status(ModelSpec("m"), timeout=0.3)
        assert {one.version: VersionState(one.state).name for one in status.model_version_status} == {
            1: "AVAILABLE",
            2: "LOADING",
        }


async def test_a_second_server_that_still_loads_takes_nothing_away() -> None:
    found = ["127.0.0.1"]

    async def resolver(_: str, __: int) -> tuple[str, ...]:
        return tuple(found)

    async with servers(1, 1) as (one,):
        port = int(one.address.rpartition(":")[2])
        async with (
            FaultyBackend(f"127.0.0.2:{port}", InMemoryBackend({"m": {}})),
            asked(find=lookup(f"dns:///models:{port}", resolver)) as replicas,
        ):
            assert await _states(replicas) == {1: "AVAILABLE"}
            found.append("127.0.0.2")
            await replicas.look_up()
            assert await _states(replicas) == {1: "AVAILABLE"}
            assert [await predict(replicas, 1) for _ in range(4)] == [1] * 4


async def test_every_address_of_a_name_is_asked_and_new_ones_are_when_they_come() -> None:
    found: list[str] = ["127.0.0.1"]

    async def resolver(host: str, port: int) -> tuple[str, ...]:
        assert host == "models"
        return tuple(found)

    async with servers(1) as (one,):
        port = int(one.address.rpartition(":")[2])
        async with (
            FaultyBackend(f"127.0.0.2:{port}", serving(1)) as other,
            asked(find=lookup(f"dns:///models:{port}", resolver)) as replicas,
        ):
            await predict(replicas)
            found.append("127.0.0.2")
            await replicas.look_up()
            for _ in range(4):
                await predict(replicas)
            assert len(other.seen(PREDICT)) == 2
            found.remove("127.0.0.1")
            await replicas.look_up()
            for _ in range(4):
                await predict(replicas)
            assert (len(one.seen(PREDICT)), len(other.seen(PREDICT))) == (3, 6)


async def test_a_name_that_cannot_be_resolved_keeps_the_addresses_that_are_known() -> None:
    fails = False

    async def resolver(_: str, __: int) -> tuple[str, ...]:
        if fails:
            raise OSError("no such host")
        return ("127.0.0.1",)

    async with servers(1) as (one,):
        port = one.address.rpartition(":")[2]
        async with asked(find=lookup(f"dns:///models:{port}", resolver)) as replicas:
            fails = True
            with pytest.raises(BackendUnavailableError, match="models, has no address: no such host"):
                await predict(replicas)
            fails = False
            await replicas.look_up()
            await predict(replicas)
            fails = True
            await replicas.look_up()
            await predict(replicas)


async def test_calls_that_come_first_share_one_look_up_and_none_waits_longer_than_it_may() -> None:
    looked_up, known = 0, asyncio.Event()

    async with servers(1) as (one,):

        async def find() -> tuple[str, ...]:
            nonlocal looked_up
            looked_up += 1
            await known.wait()
            return (one.address,)

        async with asked(find=find) as replicas:
            with pytest.raises(BackendUnavailableError, match="not been looked up yet"):
                async with asyncio.timeout(1):
                    await predict(replicas, timeout=0.1)
            waiting = [asyncio.create_task(predict(replicas)) for _ in range(5)]
            await asyncio.sleep(0)
            known.set()
            assert await asyncio.gather(*waiting) == [1] * 5
            assert looked_up == 1


async def test_a_resolver_that_hangs_makes_no_call_wait_and_its_next_answer_counts() -> None:
    hangs = asyncio.Event()

    async def resolver(_: str, __: int) -> tuple[str, ...]:
        await hangs.wait()
        return ("127.0.0.1",)

    async with servers(1) as (one,):
        port = one.address.rpartition(":")[2]
        find = lookup(f"dns:///models:{port}", resolver, patience=0.2)
        async with asked(find=find, watched=True) as replicas:
            with pytest.raises(BackendUnavailableError, match=r"no address: not looked up within 0\.2 s"):
                await predict(replicas)
            async with asyncio.timeout(0.1):
                with pytest.raises(BackendUnavailableError, match="not looked up within"):
                    await predict(replicas)
            hangs.set()
            await until(partial(answers, replicas), 3)
            hangs.clear()
            await replicas.look_up()
            await predict(replicas)


async def test_metadata_and_raw_calls_go_the_same_way() -> None:
    async with servers(2) as (good, bad), asked(good.address, bad.address) as replicas:
        bad.behave(METADATA, UNAVAILABLE)
        for _ in range(4):
            await replicas.metadata(ModelSpec("m"), timeout=5)
        assert len(good.seen(METADATA)) == 4


async def test_an_answer_that_is_too_large_is_no_busy_server() -> None:
    async with servers(1) as (one,):
        backend = TFServingBackend(one.address, most_bytes=2**20)
        one.behave(PREDICT, faults.padded(2**21))
        with pytest.raises(BackendProtocolError, match="too large"):
            await backend.predict(ModelSpec("m"), ROWS, timeout=5)
        await backend.close()


async def _states(replicas: Replicas) -> dict[int, str]:
    status: Any = await replicas.status(ModelSpec("m"), timeout=5)
    return {one.version: VersionState(one.state).name for one in status.model_version_status}


async def _is(value: bool) -> bool:
    return value
