"""An HTTP connection: uvicorn's, with the head of an answer and its body in one write, and no wait without end."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from headwise.api.rest.slow_clients import OVERDUE, Wait, What

if TYPE_CHECKING:
    from headwise.api.rest.exchange import Exchange

MOST_HEAD = 64 * 1024
"""Bytes of a request line and headers together; nginx takes 32 KiB, uvicorn whatever comes."""

_A_MOMENT = 0.5
"""Seconds that a connection which has only just come is given to ask, at a stop."""


class Connection(HttpToolsProtocol):
    """For `uvicorn.Config(http=...)`."""

    _head = 0
    """Bytes that came for a head which is not complete."""
    _heads = 0
    """Heads that are complete."""
    _refused = False
    """Answered by the connection itself; what still comes is not read, so that the answer is not lost to a reset."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Write through a transport that writes in pairs."""
        super().connection_made(cast("asyncio.Transport", PairedWrites(transport, self.loop)))

    def data_received(self, data: bytes) -> None:
        """Read; a head that is too large is refused, complete or not."""
        if self._refused:
            return
        if self.cycle is None or not self.cycle.more_body:
            self._head += len(data)
        super().data_received(data)
        if self._head > MOST_HEAD:
            self._refuse(431, f"The head of the request has more than {MOST_HEAD} bytes.")

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        if self._head > MOST_HEAD and self._size() > MOST_HEAD:
            raise ValueError("the head is too large")  # the parser stops; `data_received` answers
        self._head = 0
        self._heads += 1
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, unless it is refused for its size."""
        if self._head <= MOST_HEAD:
            super().send_400_response(msg)

    def shutdown(self) -> None:
        """At a stop: whoever has begun to ask is answered, and who has only just come is given a moment to."""
        if self._silent():
            self.loop.call_later(_A_MOMENT, self._leave)
        elif self._refused or not self._head_begun():
            super().shutdown()

    def waits_for(self) -> Wait | None:
        """What the other side owes; as `slow_clients.Waiting` has it."""
        if unsent := self.transport.get_write_buffer_size():
            return Wait(What.READING, unsent)
        if self.transport.is_closing() or self.flow.read_paused:
            return None
        cycle = self.cycle
        if cycle is not None and cycle.more_body and not self._head_begun():
            exchange: Exchange | None = cycle.scope.get("headwise.exchange")  # type: ignore[assignment]
            if exchange is None or not exchange.streamed or cycle.response_complete:
                return Wait(What.BODY, self._heads)
            return None if cycle.message_event.is_set() else Wait(What.BODY, exchange.parts)
        if cycle is not None and not cycle.response_complete:
            return None
        # Between requests uvicorn's keep-alive timer runs; bytes that begin no request end it without a trace.
        idle = self.timeout_keep_alive_task is not None and not self._head_begun()
        return None if idle else Wait(What.HEAD, self._heads)

    def give_up(self, what: What) -> None:
        """Wait no longer: answer 408 where something can be answered, and close."""
        if what is What.READING or self._refused:
            self.transport.abort()
        elif what is What.BODY and not self.cycle.response_complete:
            self.cycle.scope[OVERDUE] = True  # type: ignore[literal-required]  # who reads the body answers
            self.cycle.keep_alive = False
            self.cycle.message_event.set()
        elif what is What.HEAD and self._head_begun():
            self._refuse(408, "The head of the request did not come in time.")
            self.transport.close()
        else:
            self.transport.close()

    def _head_begun(self) -> bool:
        return self.scope is not None and (self.cycle is None or self.cycle.scope is not self.scope)

    def _size(self) -> int:
        """Bytes of the head, complete."""
        return len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)

    def _silent(self) -> bool:
        """Whether nothing has come yet."""
        return not self._heads and not self._head

    def _leave(self) -> None:
        if self._silent():
            self.transport.close()

    def _refuse(self, status: int, text: str) -> None:
        self._refused = True
        body = text.encode("ascii")
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: text/plain; charset=utf-8\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%s"
            % (status, HTTPStatus(status).phrase.encode(), len(body), body)
        )
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:  # TLS has no half of a connection
            self.transport.close()


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

    def write_eof(self) -> None:
        """Say that nothing more will be written, once all has been."""
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Close, once all has been written."""
        self._flush()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        """Bytes that the other side has not taken yet."""
        return self._transport.get_write_buffer_size()

    def is_closing(self) -> bool:
        """Whether it is closed, or being closed."""
        return self._transport.is_closing()

    def _flush(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None and not self._transport.is_closing():
            self._transport.write(kept)
