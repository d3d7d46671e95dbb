"""gRPC over one channel."""

from __future__ import annotations

from typing import Any

import grpc

from headwise.client.security import Target, Tls
from headwise.client.steps import Reply, Send, error_of, late, unavailable

_OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
_CODE = "headwise-error-code"
_PUSHBACK = "grpc-retry-pushback-ms"
"""Milliseconds after which the same call may succeed; who has it may try again."""


class GrpcTransport:
    """Blocking."""

    def __init__(self, target: Target, tls: Tls) -> None:
        self._target = target
        self._channel = (
            grpc.secure_channel(target.host, _credentials(tls), _OPTIONS)
            if target.encrypted
            else grpc.insecure_channel(target.host, _OPTIONS)
        )

    def send(self, request: Send) -> Reply:
        """One call."""
        try:
            call = self._channel.unary_unary(f"/{request.path}")
            return Reply(call(request.body, timeout=request.timeout, metadata=tuple(request.headers.items())))
        except grpc.RpcError as error:
            return _failed(self._target, request, error)
        except ValueError as error:  # what grpc raises once the channel is closed
            return unavailable(self._target.host, error)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


class AsyncGrpcTransport:
    """In an event loop: that of the first call."""

    def __init__(self, target: Target, tls: Tls) -> None:
        self._target = target
        self._credentials = _credentials(tls) if target.encrypted else None
        self._opened: grpc.aio.Channel | None = None

    async def send(self, request: Send) -> Reply:
        """One call."""
        try:
            call = self._channel().unary_unary(f"/{request.path}")
            return Reply(await call(request.body, timeout=request.timeout, metadata=tuple(request.headers.items())))
        except grpc.RpcError as error:
            return _failed(self._target, request, error)

    async def close(self) -> None:
        """Close the channel."""
        if self._opened is not None:
            await self._opened.close()

    def _channel(self) -> grpc.aio.Channel:
        """A channel belongs to the loop in which it is made."""
        if self._opened is None:
            self._opened = (
                grpc.aio.insecure_channel(self._target.host, _OPTIONS)
                if self._credentials is None
                else grpc.aio.secure_channel(self._target.host, self._credentials, _OPTIONS)
            )
        return self._opened


def _credentials(tls: Tls) -> Any:
    return grpc.ssl_channel_credentials(*tls.pem())


def _failed(target: Target, request: Send, error: Any) -> Reply:
    """What a failed call says: the gateway's own error by its code, or why there is none."""
    status, told = error.code(), error.details() or ""
    trailers = dict(error.trailing_metadata() or ())
    if _CODE in trailers:
        wait = trailers.get(_PUSHBACK)
        seconds = int(wait) / 1000 if wait is not None and wait.isdecimal() else 0.0
        return Reply(error=error_of(trailers[_CODE], told), retryable=wait is not None, retry_after=seconds)
    if status is grpc.StatusCode.UNAVAILABLE:
        hint = "; is it the HTTP port?" if "SETTINGS" in told or "HTTP" in told else ""
        return unavailable(target.host, f"{told}{hint}")
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return late(target.host, request.timeout)
    code = "payload-too-large" if status is grpc.StatusCode.RESOURCE_EXHAUSTED else ""
    return Reply(error=error_of(code, f"{status.name}: {told}"))
