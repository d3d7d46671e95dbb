"""A TCP proxy whose network can be made bad while it runs: before a backend, or between a client and the gateway."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from support.loop_thread import LoopThread
from support.proxied_connection import Behaviour, ProxiedConnection, Side, Switch


@dataclass(frozen=True, slots=True)
class Counts:
    """open: connections that their callers have now; accepted: in all; sent, answered: bytes that passed, each way."""

    open: int
    accepted: int
    sent: int
    answered: int


class FaultProxy:
    """Listens on a free port of this machine for a target, HOST:PORT or unix:PATH; runs by `with`, in its own thread.

    One behaviour holds at a time, for the connections that are there and those that come; each method below replaces
    it. A target that nobody listens on looks like a reset.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._thread = LoopThread()
        self._connections: list[ProxiedConnection] = []
        self._running = set[asyncio.Task[None]]()
        self._server: asyncio.Server | None = None

    def __enter__(self) -> FaultProxy:
        # It never listens, and nobody else gets its port while the proxy refuses.
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", 0))
        self.port: int = self._held.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._thread.__enter__()
        self._thread.run(self._start())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.run(self._stop())
        self._thread.__exit__(kind, error, at)
        self._held.close()

    @property
    def counts(self) -> Counts:
        """What has passed so far."""
        return self._thread.run(self._counted())

    def heal(self) -> None:
        """Pass everything, what was held too, and listen."""
        self._behave(Behaviour())

    def delay(self, seconds: float) -> None:
        """Let each chunk of bytes arrive so much later, each way."""
        self._behave(Behaviour(delay=seconds))

    def hold(self) -> None:
        """Hang: accept and forward nothing, as a stopped process does."""
        self._behave(Behaviour(hold=True))

    def throttle(self, bytes_a_second: float) -> None:
        """Let so many bytes pass each way, of each connection."""
        self._behave(Behaviour(rate=bytes_a_second))

    def garble(self) -> None:
        """Answer noise, as many bytes as the answer has."""
        self._behave(Behaviour(noise=True))

    def truncate_after(self, answer_bytes: int) -> None:
        """Close each connection cleanly after so many more bytes of its answers."""
        self._behave(Behaviour(answer_ends=answer_bytes))

    def reset_after(self, answer_bytes: int) -> None:
        """Reset each connection after so many more bytes of its answers."""
        self._behave(Behaviour(answer_ends=answer_bytes, by_reset=True))

    def refuse(self) -> None:
        """Listen no more until healed; connections that are there stay: `reset_all` ends them."""
        self._thread.run(self._listen(False))

    def reset_all(self) -> None:
        """Reset every connection that is there now; the behaviour stays."""
        self._thread.run(self._reset())

    def _behave(self, behaviour: Behaviour) -> None:
        self._thread.run(self._switch_to(behaviour))

    async def _switch_to(self, behaviour: Behaviour) -> None:
        self._switch.to(behaviour)
        await self._listen(True)

    async def _start(self) -> None:
        self._switch = Switch()
        await self._listen(True)

    async def _listen(self, wanted: bool) -> None:
        if self._server is not None and not wanted:
            self._server.close()
            self._server = None
        elif self._server is None and wanted:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._accepted, "127.0.0.1", self.port, reuse_address=True)

    def _accepted(self) -> Side:
        connection = ProxiedConnection(self._switch, self._connect)
        self._connections.append(connection)
        task = asyncio.get_running_loop().create_task(connection.run())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return connection.caller

    async def _connect(self, side: Side) -> None:
        loop = asyncio.get_running_loop()
        made: Callable[[], Side] = lambda: side  # noqa: E731  # as asyncio wants it
        if self.target.startswith("unix:"):
            await loop.create_unix_connection(made, self.target.removeprefix("unix:"))
        else:
            host, _, port = self.target.rpartition(":")
            await loop.create_connection(made, host.strip("[]"), int(port))

    async def _reset(self) -> None:
        for connection in self._connections:
            if connection.open:
                connection.reset()

    async def _stop(self) -> None:
        await self._listen(False)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.gather(*[connection.end() for connection in self._connections])

    async def _counted(self) -> Counts:
        made = self._connections
        return Counts(
            sum(connection.open for connection in made),
            len(made),
            sum(connection.sent for connection in made),
            sum(connection.answered for connection in made),
        )
