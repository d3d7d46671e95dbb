"""An HTTP connection: uvicorn's, with the head of an answer and its body in one write."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Connection(HttpToolsProtocol):
    """For `uvicorn.Config(http=...)`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Write through a transport that writes in pairs."""
        super().connection_made(cast("asyncio.Transport", PairedWrites(transport, self.loop)))


class PairedWrites:
    """A transport that keeps what is written until more is, or until the loop's turn ends, and writes both at once.

    uvicorn writes the head of an answer and its body one after the other, and uvloop passes each to the system at once:
    the second system call, and the caller woken twice, cost a sixth of a small request. No more than one piece is kept,
    so that a stream still hears when its caller is slow.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._kept: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        """Whatever else a transport has."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write, with what was kept, or at the end of the loop's turn."""
        kept, self._kept = self._kept, None
        if kept is not None:
            self._transport.writelines((kept, data))
        else:
            self._kept = data
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Close, once all has been written."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether it is closed, or being closed."""
        return self._transport.is_closing()

    def _flush(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None and not self._transport.is_closing():
            self._transport.write(kept)
