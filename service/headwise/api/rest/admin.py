"""The operations on a port of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headwise.api.rest.exchange import exchange_of
from headwise.api.rest.operations import Operations
from headwise.api.rest.problems import problem
from headwise.errors import HeadwiseError, NotFoundError


class Admin:
    """An ASGI application of health and metrics, and of nothing else."""

    def __init__(self, operations: Operations) -> None:
        self._handlers: Mapping[str, Callable[[str], Response]] = {
            "/livez": lambda _: operations.livez(),
            "/readyz": lambda _: operations.readyz(),
            "/metrics": operations.metrics,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = exchange_of(scope)
        handler = self._handlers.get(scope["path"]) if scope["method"] == "GET" else None
        try:
            response = await asyncio.to_thread(handler or self._nothing, exchange.headers.get("accept"))
        except Exception as error:
            await problem(exchange.path, exchange.request_id, error)(scope, receive, send)
            if not isinstance(error, HeadwiseError):
                raise
        else:
            await response(scope, receive, send)

    def _nothing(self, _: str) -> Response:
        raise NotFoundError(f"this port has GET {', '.join(self._handlers)}")
