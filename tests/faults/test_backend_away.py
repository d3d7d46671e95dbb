"""Model servers that are not there, die, or fail: callers hear at once, or are answered by another one."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from pathlib import Path

import grpc
import pytest

from headwise.backends.addresses import lookup
from headwise.backends.base import PREDICT
from headwise.backends.replicas import Replicas
from headwise.backends.tfserving import TFServingBackend
from headwise.telemetry.metrics import Metrics
from support import faulty_answers as faults
from support.fault_proxy import FaultProxy
from support.faulty_backend import FaultyBackend
from support.gateway_process import GatewayProcess
from support.keep_alive import Answer, Caller, closed_loop
from support.model_repository import BINARY, add_model
from support.ports import free_port
from support.server_process import server_process
from support.standing import BODY, CONTROL, PATH, Measured, metric, milliseconds, publish, standing


@pytest.mark.fault(1)
def test_a_backend_that_is_down_at_start(tmp_path: Path, measured: Measured) -> None:
    address = f"127.0.0.1:{free_port()}"
    backend = FaultyBackend(address)
    publish(tmp_path, [backend])
    with GatewayProcess("--models", str(tmp_path), "--backend", address) as gateway:
        assert gateway.http.get("/livez").status_code == 200
        unready = gateway.http.get("/readyz")
        assert unready.status_code == 503
        assert set(unready.json()["models"]) == {"m", "control"}
        began = time.perf_counter()
        refused = gateway.classify("m", BODY)
        took = milliseconds(began)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        with backend:
            began = time.perf_counter()
            gateway.wait_ready(10)
            ready = milliseconds(began)
            assert gateway.classify("m", BODY).status_code == 200
            assert gateway.process.poll() is None
    measured(f"503 in {took:.0f} ms; ready {ready / 1000:.1f} s after the start of the backend")
    measured.below(took, 100)
    measured.below(ready, 3000)


@pytest.mark.fault(2)
@pytest.mark.thorough
@pytest.mark.timeout(240)
def test_one_of_two_model_servers_is_killed(tmp_path: Path, measured: Measured) -> None:
    add_model(tmp_path, "logit", {"output_0": BINARY}, name="m")
    body = b'{"instances": [[1, 2, 3, 4]]}'
    with server_process("--models", str(tmp_path)) as one, server_process("--models", str(tmp_path)) as two:
        targets = f"{one.addresses[0]},{two.addresses[0]}"
        with GatewayProcess("--models", str(tmp_path), "--backend", targets) as gateway:
            gateway.wait_ready()
            answers: list[Answer] = []
            end = time.perf_counter() + 6

            async def load() -> None:
                loop = asyncio.get_running_loop()
                loop.call_later(2, os.kill, two.process.pid, signal.SIGKILL)
                until = lambda: time.perf_counter() > end  # noqa: E731
                await closed_loop(gateway.url, PATH, body, callers=20, until=until, seen=answers.append)

            asyncio.run(load())
            failed = [answer for answer in answers if answer.status != 200]
            retries = metric(gateway, "headwise_backend_retries_total")
            slowest = max(answer.seconds for answer in answers)
    measured(
        f"{len(answers)} requests, {len(failed)} failed, {retries:.0f} calls made again; the slowest took "
        f"{slowest * 1000:.0f} ms"
    )
    assert not failed
    assert retries >= 1


@pytest.mark.fault(2)
def test_the_only_model_server_dies_under_a_request(tmp_path: Path, measured: Measured) -> None:
    with FaultyBackend() as backend, FaultProxy(backend.address) as proxy:
        publish(tmp_path, [backend])
        with GatewayProcess("--models", str(tmp_path), "--backend", proxy.address) as gateway:
            gateway.wait_ready()
            backend.behave(PREDICT, faults.never)
            told: list[float] = []

            async def ask() -> Answer:
                caller = Caller(gateway.url)
                waiting = asyncio.create_task(caller.post(PATH, BODY))
                await asyncio.sleep(0.3)
                proxy.refuse()
                proxy.reset_all()
                began = time.perf_counter()
                answer = await waiting
                told.append(milliseconds(began))
                await caller.close()
                return answer

            answer = asyncio.run(ask())
    measured(f"503 {told[0]:.0f} ms after it died")
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["code"] == "backend-unavailable"
    measured.below(told[0], 200)


@pytest.mark.fault(25)
def test_when_every_call_fails_the_backend_gets_no_storm(tmp_path: Path, measured: Measured) -> None:
    with standing(tmp_path, backends=2) as at:
        for backend in at.backends:
            backend.behave(PREDICT, faults.refuses(grpc.StatusCode.UNAVAILABLE, "broken"))
        answers: list[Answer] = []
        end = time.perf_counter() + 4
        asyncio.run(
            closed_loop(
                at.gateway.url,
                PATH,
                BODY,
                callers=10,
                until=lambda: time.perf_counter() > end,
                seen=answers.append,
            )
        )
        sent = sum(len(backend.seen(PREDICT)) for backend in at.backends)
        assert {answer.status for answer in answers} == {503}
        for backend in at.backends:
            backend.behave(PREDICT)
        began = time.perf_counter()
        at.gateway.wait_for(lambda: at.gateway.classify("m", BODY).status_code == 200, 10)
        back = milliseconds(began)
    measured(f"{len(answers)} requests, {sent} calls of the backends; answering {back / 1000:.1f} s after they did")
    assert sent <= 1.2 * len(answers) + 10
    measured.below(back, 6000)


@pytest.mark.fault(26)
@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_ten_gateways_do_not_come_back_in_one_moment(tmp_path: Path, measured: Measured, how: str) -> None:
    """They start and lose it in the same moments: chance alone parts them, here always the same."""
    vary = random.Random(26).uniform

    async def herd(address: str, proxy: FaultProxy) -> list[float]:
        gateways = [Replicas(lookup(address), TFServingBackend, Metrics(), vary) for _ in range(10)]
        watching = [asyncio.create_task(gateway.run()) for gateway in gateways]
        await asyncio.sleep(1.5)
        if how == "killed":
            await asyncio.to_thread(proxy.refuse)
            await asyncio.to_thread(proxy.reset_all)
            await asyncio.sleep(3)
        before = (await asyncio.to_thread(lambda: proxy.counts)).accepted
        await asyncio.to_thread(proxy.heal if how == "killed" else proxy.hold)
        began, came = time.perf_counter(), [0.0] * 0
        while time.perf_counter() - began < 4:
            now = (await asyncio.to_thread(lambda: proxy.counts)).accepted
            came += [time.perf_counter() - began] * (now - before - len(came))
            await asyncio.sleep(0.01)
        for task in watching:
            task.cancel()
        for gateway in gateways:
            await gateway.close()
        return came[:10]

    with FaultyBackend() as backend, FaultProxy(backend.address) as proxy:
        publish(tmp_path, [backend])
        came = asyncio.run(herd(proxy.address, proxy))
    most = max(sum(start <= at < start + 0.1 for at in came) for start in came)
    apart = max(came) - min(came)
    measured(f"{how}: {len(came)} connections within {apart:.1f} s, {most} within a tenth of a second at most")
    assert len(came) == 10
    assert apart > 0.2
    measured.below(most, 7)
    measured.below(max(came), 4)


@pytest.mark.fault(4)
@pytest.mark.thorough
@pytest.mark.timeout(240)
def test_a_model_server_that_is_stopped_and_goes_on(tmp_path: Path, measured: Measured) -> None:
    add_model(tmp_path, "logit", {"output_0": BINARY}, name="m")
    body = b'{"instances": [[1, 2, 3, 4]]}'
    with server_process("--models", str(tmp_path)) as server:
        settings = {"HEADWISE_REQUEST_TIMEOUT": "2"}
        with GatewayProcess(
            "--models", str(tmp_path), "--backend", server.addresses[0], environment=settings
        ) as gateway:
            gateway.wait_ready()
            os.kill(server.process.pid, signal.SIGSTOP)
            try:
                began = time.perf_counter()
                first = gateway.classify("m", body)
                late = milliseconds(began)
                gateway.wait_for(lambda: metric(gateway, "headwise_backend_ejections_total") == 1, 10)
                ejected = milliseconds(began)
                began = time.perf_counter()
                refused = gateway.classify("m", body)
                fast = milliseconds(began)
            finally:
                os.kill(server.process.pid, signal.SIGCONT)
            began = time.perf_counter()
            gateway.wait_for(lambda: gateway.classify("m", body).status_code == 200, 10)
            back = milliseconds(began)
    measured(
        f"in flight: {first.status_code} after {late:.0f} ms; ejected after {ejected / 1000:.1f} s, "
        f"then 503 in {fast:.0f} ms; answering {back / 1000:.1f} s after SIGCONT"
    )
    assert (first.status_code, refused.status_code) == (504, 503)
    measured.below(abs(late - 2000), 100)
    measured.below(fast, 100)
    measured.below(back, 5000)


@pytest.mark.fault(5)
def test_a_connection_that_leads_nowhere_is_replaced(tmp_path: Path, measured: Measured) -> None:
    """A proxy that passes nothing on, for what a firewall does that drops packets."""
    with FaultyBackend() as backend, FaultProxy(backend.address) as proxy:
        publish(tmp_path, [backend])
        settings = {"HEADWISE_REQUEST_TIMEOUT": "1"}
        with GatewayProcess("--models", str(tmp_path), "--backend", proxy.address, environment=settings) as gateway:
            gateway.wait_ready()
            proxy.hold()
            began = time.perf_counter()
            answer = gateway.classify("m", BODY)
            late = milliseconds(began)
            gateway.wait_for(lambda: metric(gateway, "headwise_backend_ejections_total") == 1, 10)
            before = proxy.counts.accepted
            gateway.wait_for(lambda: proxy.counts.accepted > before, 10)
            proxy.heal()
            began = time.perf_counter()
            gateway.wait_for(lambda: gateway.classify("m", BODY).status_code == 200, 10)
            back = milliseconds(began)
    measured(f"{answer.status_code} after {late:.0f} ms; answering {back / 1000:.1f} s after it healed")
    assert answer.status_code in (503, 504)
    measured.below(late, 1200)
    measured.below(back, 5000)


@pytest.mark.fault(3)
def test_a_slow_model_server(tmp_path: Path, measured: Measured) -> None:
    with standing(tmp_path) as at:
        before = at.process()
        at.backend.behave(PREDICT, faults.never)
        late: list[float] = []

        async def ask(seconds: float) -> Answer:
            caller = Caller(at.gateway.url)
            answer = await caller.post(PATH, BODY, f"headwise-timeout: {seconds}")
            late.append((answer.seconds - seconds) * 1000)
            await caller.close()
            return answer

        for seconds in (0.3, 0.6, 1.0, 0.4, 0.5, 0.7):
            assert asyncio.run(ask(seconds)).status == 504
        at.gateway.wait_for(lambda: all(call.ended is not None for call in at.backend.seen(PREDICT)))
        cancelled = {call.ended for call in at.backend.seen(PREDICT)}
        at.backend.behave(PREDICT)
        assert at.gateway.classify("m", BODY).status_code == 200, "slow calls open no breaker"
        assert at.metric("headwise_backend_ejections_total") == 0
        at.settle(before)
    measured(
        f"504 between {min(late):+.0f} and {max(late):+.0f} ms of the deadline; the backend sees it {cancelled.pop()}"
    )
    measured.below(max(map(abs, late)), 50)
    assert not cancelled


@pytest.mark.fault(3)
def test_a_slow_model_hurts_no_other(tmp_path: Path, measured: Measured) -> None:
    with standing(tmp_path, max_in_flight_per_model=50) as at:

        async def slow(answer: faults.Answer) -> bytes:
            data = await answer()
            if b"control" not in data:
                await asyncio.sleep(3)
            return data

        at.backend.behave(PREDICT, slow)
        stop = threading.Event()
        control: list[Answer] = []

        async def load() -> None:
            loading = asyncio.create_task(
                closed_loop(at.gateway.url, PATH, BODY, callers=80, until=stop.is_set, seen=lambda _: None)
            )
            await asyncio.sleep(0.5)
            caller = Caller(at.gateway.url)
            control.extend([await caller.post(CONTROL, BODY) for _ in range(100)])
            await caller.close()
            stop.set()
            await loading

        asyncio.run(load())
    slowest = max(answer.seconds for answer in control) * 1000
    measured(f"another model meanwhile: 100 of 100 answered, the slowest in {slowest:.0f} ms")
    assert {answer.status for answer in control} == {200}
    measured.below(slowest, 500)
