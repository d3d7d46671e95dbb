"""One connection through the fault proxy: its two sides, and what happens to the bytes between them."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_ROOM = 256 * 1024
"""Bytes of one side that wait before it is read no further: as a network, which does not hold everything either."""
_TICKS = 20
"""Portions a second in which throttled bytes go on."""
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, 0 seconds: closing throws away what is left, and says RST."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What happens to bytes; as it stands, nothing. delay in seconds, of each chunk, each way; rate in bytes a second.

    hold: nothing goes on, and nobody is told. answer_ends: bytes of the answer that still pass, counted from the
    switch or from the connection's start, before it is closed, or reset. noise: instead of the answer's bytes.
    """

    delay: float = 0
    hold: bool = False
    rate: float = math.inf
    noise: bool = False
    answer_ends: float = math.inf
    by_reset: bool = False

    @property
    def portion(self) -> int | None:
        """How many bytes go on at once; None: all."""
        return None if math.isinf(self.rate) else max(1, int(self.rate / _TICKS))


class Switch:
    """The behaviour as it is now, and whoever waits for another."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.switched = 0
        self._changed = asyncio.Event()

    def to(self, behaviour: Behaviour) -> None:
        """Behave otherwise from now on; who waits by the old behaviour looks again."""
        self.behaviour = behaviour
        self.switched += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def due(self, arrived: float) -> None:
        """Wait until what arrived at a time of the loop's clock goes on."""
        loop = asyncio.get_running_loop()
        while (left := math.inf if self.behaviour.hold else arrived + self.behaviour.delay - loop.time()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), None if math.isinf(left) else left)


class Side(asyncio.Protocol):
    """One end. came: its chunks with the time of their arrival; empty ones say that it has no more."""

    def __init__(self, lost: Callable[[Exception | None], None]) -> None:
        self.came: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self.open = True
        self.deaf = False
        self.gone = asyncio.Event()
        self._lost = lost
        self._waiting = 0
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.deaf:
            return
        self._put(data)
        self._waiting += len(data)
        if self._waiting > _ROOM:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        self.open = False
        self._put(b"")
        return not self.deaf  # the other way stays open: the answer may be under way

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        self.gone.set()
        self._writable.set()
        self._lost(error)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def taken(self, size: int) -> None:
        """So many bytes have gone on."""
        self._waiting -= size
        if self._waiting <= _ROOM and not self.transport.is_closing():
            self.transport.resume_reading()

    async def write(self, data: bytes) -> None:
        """Write, and wait while the other end is slow."""
        self.transport.write(data)
        await self._writable.wait()

    def end(self) -> None:
        """Say that there is no more."""
        with contextlib.suppress(OSError):  # it may be gone, and nobody has heard of it yet
            if self.transport.can_write_eof() and not self.transport.is_closing():
                self.transport.write_eof()

    def reset(self) -> None:
        """End with RST, where it is TCP."""
        connected = self.transport.get_extra_info("socket")
        if connected.family != socket.AF_UNIX and not self.transport.is_closing():
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def _put(self, data: bytes) -> None:
        self.came.put_nowait((asyncio.get_running_loop().time(), data))


class ProxiedConnection:
    """A caller, and the target's side once that is reached. sent, answered: bytes that went on, each way."""

    def __init__(self, switch: Switch, connect: Callable[[Side], Awaitable[object]]) -> None:
        self.sent = self.answered = 0
        self.caller = Side(self._caller_lost)
        self._target = Side(self._target_lost)
        self._switch = switch
        self._connect = connect
        self._since = switch.switched, 0
        self._noise = random.Random(0)
        self._reached = False

    @property
    def open(self) -> bool:
        """Whether the caller still has it."""
        return self.caller.open

    async def run(self) -> None:
        """Carry bytes until both sides have ended, or one is gone."""
        await self._switch.due(asyncio.get_running_loop().time())
        try:
            await self._connect(self._target)
        except OSError:
            self.caller.reset()
            return
        if self.caller.transport.is_closing():
            self._target.transport.close()
            return
        self._reached = True
        self._task = asyncio.gather(
            self._carry(self.caller, self._target, self._pass), self._carry(self._target, self.caller, self._answer)
        )
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
            self.caller.transport.close()
        self._target.transport.close()

    def reset(self) -> None:
        """End both sides with RST."""
        self.caller.reset()
        if self._reached:
            self._target.reset()

    async def end(self) -> None:
        """Reset it, and wait until both sides are gone."""
        self.reset()
        await self.caller.gone.wait()
        if self._reached:
            await self._target.gone.wait()

    async def _carry(self, source: Side, sink: Side, go_on: Callable[[bytes], Awaitable[None]]) -> None:
        while True:
            arrived, data = await source.came.get()
            await self._switch.due(arrived)
            if not data:
                sink.end()
                return
            source.taken(len(data))
            while data:
                await self._switch.due(arrived)
                behaviour = self._switch.behaviour
                piece, data = data[: behaviour.portion], data[len(data[: behaviour.portion]) :]
                await go_on(piece)
                await asyncio.sleep(len(piece) / behaviour.rate)

    async def _pass(self, data: bytes) -> None:
        self.sent += len(data)
        await self._target.write(data)

    async def _answer(self, data: bytes) -> None:
        behaviour = self._switch.behaviour
        if self._since[0] != self._switch.switched:
            self._since = self._switch.switched, self.answered
        left = behaviour.answer_ends - (self.answered - self._since[1])
        ends = len(data) >= left
        passing = data[: int(left)] if ends else data
        self.answered += len(passing)
        await self.caller.write(self._noise.randbytes(len(passing)) if behaviour.noise else passing)
        if ends:
            self._cut(by_reset=behaviour.by_reset)

    def _cut(self, *, by_reset: bool) -> None:
        if by_reset:
            self.caller.reset()
        else:  # the caller's bytes are still read: closing on unread ones would say RST
            self.caller.deaf = True
            self.caller.end()
        self._task.cancel()

    def _caller_lost(self, error: Exception | None) -> None:
        if self._reached and error is not None:
            self._target.reset()
        if self._reached:
            self._task.cancel()

    def _target_lost(self, error: Exception | None) -> None:
        if error is not None and not self._task.done():
            self.caller.reset()
