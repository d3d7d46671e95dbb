"""The operations on a port of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headwise.api.rest.exchange import exchange_of
from headwise.api.rest.operations import METHODS, OPERATIONS, Operations
from headwise.api.rest.problems import problem
from headwise.errors import HeadwiseError, MethodNotAllowedError, NotFoundError


class Admin:
    """An ASGI application of health and metrics, and of nothing else."""

    def __init__(self, operations: Operations) -> None:
        self._handlers = {one.path: partial(one.answer, operations) for one in OPERATIONS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = exchange_of(scope)
        try:
            handler = self._handler(scope["method"], scope["path"])
            response = await asyncio.to_thread(handler, exchange.headers.get("accept"))
        except Exception as error:
            await problem(exchange.path, exchange.request_id, error)(scope, receive, send)
            if not isinstance(error, HeadwiseError):
                raise
        else:
            await response(scope, receive, send)

    def _handler(self, method: str, path: str) -> Callable[[str], Response]:
        handler = self._handlers.get(path)
        if handler is None:
            raise NotFoundError(f"this port has GET {', '.join(self._handlers)}")
        if method not in METHODS:
            raise MethodNotAllowedError(f"{path} takes {' and '.join(METHODS)}, not {method}", METHODS)
        return handler
