"""Two gateways and two model servers behind haproxy are restarted one by one, and no request fails."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from grpc import aio

from headwise.v1 import classification_service_pb2 as v1
from headwise.v1.classification_service_pb2_grpc import ClassificationServiceStub
from support.gateway_process import GatewayProcess
from support.keep_alive import Answer, closed_loop
from support.model_repository import BINARY, add_model
from support.ports import free_port
from support.server_process import ServerProcess, server_process

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

CONFIG = Path(__file__).parents[2] / "deploy" / "haproxy" / "haproxy.cfg"
PATH = "/v1/models/m:classify"
BODY = b'{"instances": [[1, 2, 3, 4]]}'
TENSOR = v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=[1, 4], content=np.array([1, 2, 3, 4], "<f4").tobytes())
REQUEST = v1.ClassifyRequest(model=v1.ModelSpec(name="m"), inputs={"features": TENSOR})
DRAIN_DELAY = "2"
"""What the head of haproxy.cfg says."""


class Fleet:
    """One of each kind per address; any can be replaced by a new process at the same address."""

    def __init__(self, models: Path) -> None:
        self._models = str(models)
        self._stack = ExitStack()
        self.servers = [f"127.0.0.1:{free_port()}" for _ in range(2)]
        self.addresses = [(f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}") for _ in range(2)]
        self._running: dict[str, ServerProcess] = {}
        self.gateways: list[GatewayProcess] = []

    def __enter__(self) -> Fleet:
        for address in self.servers:
            self.start_server(address)
        self.gateways = [self._gateway(*addresses) for addresses in self.addresses]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_server(self, address: str) -> None:
        """A model server."""
        arguments = ("--models", self._models, "--listen", address)
        self._running[address] = self._stack.enter_context(server_process(*arguments))

    def restart_server(self, address: str, how: int) -> None:
        """End a model server by a signal and start another one; returns when every gateway asks it again."""
        before = [_rotations(gateway, address) for gateway in self.gateways]
        self._running[address].stop(how)
        self.start_server(address)
        for gateway, was in zip(self.gateways, before, strict=True):
            gateway.wait_for(lambda gateway=gateway, was=was: _rotations(gateway, address) > was, 40)

    def restart_gateway(self, number: int) -> None:
        """Stop a gateway and start another one; returns when that is ready."""
        assert self.gateways[number].stop(signal.SIGTERM) == 0
        self.gateways[number] = self._gateway(*self.addresses[number])

    def _gateway(self, http: str, grpc: str) -> GatewayProcess:
        backend = ",".join(self.servers)
        arguments = ("--models", self._models, "--backend", backend, "--http", http, "--grpc", grpc)
        settings = {"HEADWISE_DRAIN_DELAY": DRAIN_DELAY}
        return self._stack.enter_context(GatewayProcess(*arguments, environment=settings)).wait_ready()


def _rotations(gateway: GatewayProcess, address: str) -> int:
    """How often a model server came into the rotation."""
    return sum("model server in rotation" in line and address in line for line in gateway.log.splitlines())


@contextmanager
def haproxy(fleet: Fleet) -> Iterator[tuple[str, str]]:
    """The project's own configuration; where it listens, for HTTP and gRPC."""
    (http_1, grpc_1), (http_2, grpc_2) = fleet.addresses
    binds = {"HTTP_BIND": f"127.0.0.1:{free_port()}", "GRPC_BIND": f"127.0.0.1:{free_port()}"}
    gateways = {"GATEWAY_1_HTTP": http_1, "GATEWAY_1_GRPC": grpc_1, "GATEWAY_2_HTTP": http_2, "GATEWAY_2_GRPC": grpc_2}
    with subprocess.Popen(["haproxy", "-db", "-f", str(CONFIG)], env={**os.environ, **binds, **gateways}) as process:
        url = f"http://{binds['HTTP_BIND']}"
        try:
            fleet.gateways[0].wait_for(lambda: _is_ready(url), 10)
            yield url, binds["GRPC_BIND"]
        finally:
            process.terminate()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.ConnectError:
        return False


def test_no_request_fails(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    add_model(tmp_path, "logit", {"output_0": BINARY}, name="m")
    with Fleet(tmp_path) as fleet, haproxy(fleet) as (http, grpc_at):
        over_http: list[Answer] = []
        over_grpc: list[Exception | None] = []
        stop = asyncio.Event()

        async def ask_grpc() -> None:
            async with aio.insecure_channel(grpc_at) as channel:
                classify = ClassificationServiceStub(channel).Classify  # type: ignore[no-untyped-call]  # generated
                while not stop.is_set():
                    try:
                        await classify(REQUEST, timeout=10)
                        over_grpc.append(None)
                    except aio.AioRpcError as error:  # looked at below
                        over_grpc.append(error)

        async def restart_all() -> None:
            await asyncio.sleep(2)
            for number in range(2):
                await asyncio.to_thread(fleet.restart_gateway, number)
                await asyncio.sleep(1)
            # TensorFlow Serving has no handler for SIGTERM: it ends as by SIGKILL.
            for address, how in zip(fleet.servers, (signal.SIGTERM, signal.SIGKILL), strict=True):
                await asyncio.to_thread(fleet.restart_server, address, how)
                await asyncio.sleep(1)
            stop.set()

        async def run() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(closed_loop(http, PATH, BODY, callers=8, until=stop.is_set, seen=over_http.append))
                for _ in range(4):
                    group.create_task(ask_grpc())
                group.create_task(restart_all())

        began = time.perf_counter()
        asyncio.run(run())
        took = time.perf_counter() - began
    failed = [*(answer for answer in over_http if answer.status != 200), *filter(None, over_grpc)]
    record_property(
        "summary",
        f"rolling restart of two gateways and two model servers: {len(over_http)} requests over HTTP and "
        f"{len(over_grpc)} over gRPC in {took:.0f} s, {len(failed)} failed",
    )
    assert not failed, failed[:3]
    assert min(len(over_http), len(over_grpc)) > 1000
