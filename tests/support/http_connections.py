"""An HTTP application behind real connections, within this process, and callers that send what they like."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from headwise.api.rest.connection import Connection
from headwise.api.rest.slow_clients import Patience, SlowClients


@dataclass(frozen=True, slots=True)
class Served:
    """What listens."""

    port: int
    state: ServerState

    @asynccontextmanager
    async def caller(
        self, *, small_buffer: bool = False
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection. small_buffer: one that holds little of what it does not read."""
        raw = socket.socket()
        if small_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


@asynccontextmanager
async def served(app: ASGIApp, patience: Patience | None = None, *, keep_alive: int = 75) -> AsyncIterator[Served]:
    """Serve an application on a free port, with an eye on slow clients where there is a patience."""
    loop = asyncio.get_running_loop()
    config = uvicorn.Config(app, http=Connection, ws="none", log_config=None, access_log=False, lifespan="off")
    config.timeout_keep_alive = keep_alive
    config.load()
    state = ServerState()
    server = await loop.create_server(lambda: Connection(config, state, {}, loop), "127.0.0.1", 0)
    connections: set[Connection] = state.connections  # type: ignore[assignment]
    watching = asyncio.create_task(SlowClients(patience or Patience(), lambda: connections).watch())
    try:
        yield Served(server.sockets[0].getsockname()[1], state)
    finally:
        watching.cancel()
        server.close()
        for connection in tuple(connections):
            connection.transport.abort()
        await asyncio.sleep(0)
        await asyncio.gather(watching, *state.tasks, return_exceptions=True)
