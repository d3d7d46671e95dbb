"""HTTP with connections that are kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from headwise.api.timeouts import HEADER
from headwise.client.security import Target, Tls
from headwise.client.steps import Reply, Send, late, unavailable
from headwise.client.wires.http import reply

CONNECTIONS = 20


class HttpTransport:
    """Blocking."""

    def __init__(self, target: Target, tls: Tls) -> None:
        self._target = target
        self._pool = httpcore.ConnectionPool(tls.context() if target.encrypted else None, max_connections=CONNECTIONS)

    def send(self, request: Send) -> Reply:
        """One request."""
        try:
            give_up = time.monotonic() + request.timeout
            with self._pool.stream(**_arguments(self._target, request)) as response:
                body = bytearray()
                for chunk in response.iter_stream():
                    body += chunk
                    if time.monotonic() > give_up:
                        return late(self._target.url, request.timeout)
                return _reply(response, bytes(body))
        except _FAILURES as error:
            return _failed(self._target, request, error)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


class AsyncHttpTransport:
    """In an event loop."""

    def __init__(self, target: Target, tls: Tls) -> None:
        self._target = target
        context = tls.context() if target.encrypted else None
        self._pool = httpcore.AsyncConnectionPool(context, max_connections=CONNECTIONS)

    async def send(self, request: Send) -> Reply:
        """One request."""
        try:
            async with asyncio.timeout(request.timeout):
                response = await self._pool.request(**_arguments(self._target, request))
            return _reply(response, response.content)
        except TimeoutError:
            return late(self._target.url, request.timeout)
        except _FAILURES as error:
            return _failed(self._target, request, error)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()


_FAILURES = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, httpcore.UnsupportedProtocol)


def _arguments(target: Target, request: Send) -> dict[str, Any]:
    each = dict.fromkeys(("connect", "read", "write", "pool"), request.timeout)
    return {
        "method": request.verb,
        "url": f"{target.url}{request.path}",
        "headers": {"host": target.host, HEADER: f"{request.timeout:.3f}", **request.headers},
        "content": request.body,
        "extensions": {"timeout": each},
    }


def _reply(response: httpcore.Response, body: bytes) -> Reply:
    return reply(response.status, _plain(response.headers), body)


def _plain(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def _failed(target: Target, request: Send, error: Exception) -> Reply:
    if isinstance(error, httpcore.TimeoutException) and not isinstance(error, httpcore.ConnectTimeout):
        return late(target.url, request.timeout)
    hint = "; is it the gRPC port?" if isinstance(error, httpcore.ProtocolError) else ""
    return unavailable(target.url, f"{error or type(error).__name__}{hint}")
