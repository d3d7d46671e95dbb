"""A gateway in memory on real ports, for clients that are not of the test's own loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from headwise.api.grpc.server import GrpcServer
from headwise.api.rest.app import create_app
from headwise.telemetry.metrics import Metrics
from headwise.tripwires import Tripwires
from support.in_memory_gateway import Models


@dataclass(frozen=True)
class Served:
    """URLs by protocol."""

    http: str
    grpc: str


@contextmanager
def served(models: Models, *, max_body_bytes: int = 2**20, tripwires: Tripwires | None = None) -> Iterator[Served]:
    """Serve on free ports, in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    started = threading.Event()
    ports: list[int] = []
    servers: list[uvicorn.Server] = []

    async def serve() -> None:
        gateway = await models.gateway(tripwires=tripwires)
        rpc = GrpcServer(gateway, ("127.0.0.1", 0), Metrics(), timeout=20, max_bytes=max_body_bytes, reflection=True)
        await rpc.start()
        await rpc.set_ready(True, {name: model.ready for name, model in gateway.repository.snapshot.models.items()})
        app = create_app(gateway, Metrics(), timeout=20, max_body_bytes=max_body_bytes).app
        http = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        ports.append(rpc.port)
        servers.append(http)
        started.set()
        await http.serve(sockets=[listener])
        await rpc.stop(0)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(30), "the gateway did not start"
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", f"grpc://127.0.0.1:{ports[0]}")
    finally:
        for server in servers:
            server.should_exit = True
        thread.join()
        listener.close()
