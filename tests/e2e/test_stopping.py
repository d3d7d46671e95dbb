"""A stop loses no request of who hears of it, lets those in flight finish, keeps its time, and can be hurried."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from headwise.backends.base import PREDICT
from headwise.savedmodel.tensors import to_proto
from headwise.tfserving.prediction_service_pb2 import PredictRequest
from support import faulty_answers as faults
from support.gateway_process import GatewayProcess, alive
from support.standing import BODY, PATH, Measured, Standing, standing

CLOSING = 2.0
"""Seconds beyond the delay and the requests' own time."""

pytestmark = [pytest.mark.parametrize("workers", [1, 2]), pytest.mark.fault(16)]


@contextmanager
def channel(gateway: GatewayProcess) -> Iterator[Any]:
    """One with a connection of its own."""
    with grpc.insecure_channel(gateway.grpc, (("grpc.use_local_subchannel_pool", 1),)) as opened:
        yield opened


def predict(opened: Any) -> bytes:
    asked = PredictRequest(inputs={"x": to_proto(np.ones((1, 1), np.float32))})
    asked.model_spec.name = "m"
    answer: bytes = opened.unary_unary(f"/tensorflow.serving.{PREDICT}")(asked.SerializeToString(), timeout=60)
    return answer


def end(gateway: GatewayProcess, began: float) -> float:
    """Wait for the end, which must be a good one; seconds that it took."""
    assert gateway.process.wait(30) == 0, gateway.log
    took = time.monotonic() - began
    gateway.wait_for(lambda: "headwise stopped" in gateway.log)
    assert "Traceback" not in gateway.log
    return took


class Callers:
    """Ask without pause, go elsewhere when they are told that the gateway ends, and count what failed."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._gateway = gateway
        self._leave = threading.Event()
        self.told = threading.Event()
        self.failures: list[Exception | int] = []
        self.answers = self.reconnected = self.while_it_ends = 0

    def over_http(self) -> None:
        while not self._leave.is_set():
            with httpx.Client(base_url=self._gateway.url) as client:
                while not self._leave.is_set():
                    answer = client.post(PATH, content=BODY)
                    self._count(answer.status_code == 200, answer.status_code)
                    if answer.headers.get("connection") == "close":
                        self.reconnected += 1
                        break

    def over_grpc(self) -> None:
        with channel(self._gateway) as opened:
            while not self._leave.is_set():
                predict(opened)
                self._count(True, 0)

    def check_health(self) -> None:
        """As a load balancer does, over both; then everybody has half a second to hear of it."""
        with channel(self._gateway) as opened:
            health = health_pb2_grpc.HealthStub(opened)
            serves = health_pb2.HealthCheckResponse.SERVING
            while health.Check(health_pb2.HealthCheckRequest(), timeout=5).status == serves:
                time.sleep(0.02)
            assert httpx.get(f"{self._gateway.url}/readyz").status_code == 503
            self.told.set()
        time.sleep(0.5)
        self._leave.set()

    def _count(self, good: bool, status: int) -> None:
        self.answers += 1
        self.while_it_ends += self.told.is_set()
        if not good:
            self.failures.append(status)


def test_who_hears_of_a_stop_loses_no_request(tmp_path: Path, workers: int, measured: Measured) -> None:
    with standing(tmp_path, "--workers", str(workers), drain_delay=1.5, drain_timeout=5) as at:
        gateway = at.gateway
        callers = Callers(gateway)
        with ThreadPoolExecutor(16) as pool:
            asking = [pool.submit(ask) for ask in (callers.over_http, callers.over_grpc) for _ in range(4)]
            asking.append(pool.submit(callers.check_health))
            time.sleep(0.5)
            began = time.monotonic()
            gateway.process.send_signal(signal.SIGTERM)
            assert callers.told.wait(5)
            heard = time.monotonic() - began
            for each in asking:
                each.result(30)
        took = end(gateway, began)
    measured(
        f"{workers} worker(s) under load over HTTP and gRPC: {callers.answers} requests, {callers.while_it_ends} of "
        f"them after /readyz said 503, {len(callers.failures)} lost; exit 0 after {took:.1f} s (1.5 of them the delay)"
    )
    assert callers.failures == []
    assert callers.answers > 100
    assert callers.while_it_ends > 20, "it serves on while others hear of it"
    assert callers.reconnected > 4, "each answer over HTTP says that the connection ends"
    assert heard < 1
    assert 1.5 < took < 1.5 + 5 + CLOSING


@contextmanager
def in_flight(at: Standing, seconds: float, count: int) -> Iterator[list[Future[bytes]]]:
    """So many requests, half of them over gRPC, that the backend has begun to answer; it takes so long."""

    def over_http() -> bytes:
        host, _, port = at.gateway.url.removeprefix("http://").partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        connection.request("POST", "/v1/models/m:predict", BODY)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read()

    def over_grpc() -> bytes:
        with channel(at.gateway) as opened:
            return predict(opened)

    at.backend.behave(PREDICT, faults.late(seconds))
    with ThreadPoolExecutor(count) as pool:
        asked = [pool.submit(over_http if number % 2 else over_grpc) for number in range(count)]
        at.gateway.wait_for(lambda: at.backend.in_flight)
        time.sleep(0.5)  # what comes together travels together: the backend does not tell how many there are
        yield asked


def test_all_of_20_slow_requests_in_flight_finish(tmp_path: Path, workers: int, measured: Measured) -> None:
    with standing(tmp_path, "--workers", str(workers), drain_timeout=5) as at, in_flight(at, 2, 20) as asked:
        began = time.monotonic()
        at.gateway.process.send_signal(signal.SIGTERM)
        finished = sum(bool(each.result(30)) for each in asked)
        took = end(at.gateway, began)
    measured(f"{workers} worker(s), 20 requests of 2 s in flight: {finished} finish, exit 0 after {took:.1f} s")
    assert finished == 20
    assert took < 5 + CLOSING


def ended(asked: list[Future[bytes]]) -> int:
    """How many requests ended without an answer."""
    return sum(isinstance(each.exception(5), (OSError, http.client.HTTPException, grpc.RpcError)) for each in asked)


def test_a_second_signal_ends_delay_and_waiting(tmp_path: Path, workers: int, measured: Measured) -> None:
    with standing(tmp_path, "--workers", str(workers), drain_delay=20, drain_timeout=20) as at:
        gateway = at.gateway
        children = gateway.children()
        with in_flight(at, 60, 6) as asked:
            gateway.process.send_signal(signal.SIGTERM)
            gateway.wait_for(lambda: httpx.get(f"{gateway.url}/readyz").status_code == 503)
            time.sleep(0.5)
            assert gateway.process.poll() is None
            began = time.monotonic()
            gateway.process.send_signal(signal.SIGTERM)
            took = end(gateway, began)
            assert ended(asked) == 6
        assert not any(map(alive, children))
    measured(f"{workers} worker(s), told a second time: exit 0 after {took:.1f} s, requests in flight are cut off")
    assert took < CLOSING


def test_ctrl_c_does_not_delay(tmp_path: Path, workers: int) -> None:
    with standing(tmp_path, "--workers", str(workers), drain_delay=20) as at:
        began = time.monotonic()
        at.gateway.process.send_signal(signal.SIGINT)
        assert end(at.gateway, began) < CLOSING


def test_requests_that_do_not_finish_are_cut_in_time(tmp_path: Path, workers: int) -> None:
    with standing(tmp_path, "--workers", str(workers), drain_timeout=0.5) as at, in_flight(at, 60, 6) as asked:
        began = time.monotonic()
        at.gateway.process.send_signal(signal.SIGTERM)
        assert 0.5 < end(at.gateway, began) < 0.5 + CLOSING
        assert ended(asked) == 6
