"""What no route takes: a path that is there with another method, TensorFlow Serving's paths, and no path at all."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from headwise.api.rest.exchange import exchange_of
from headwise.api.rest.refusals import Form, form_of, refusal_at
from headwise.api.rest.route_table import RouteTable
from headwise.errors import HeadwiseError, MethodNotAllowedError, NotFoundError


class Unrouted:
    """An ASGI application. tfs: answers all paths, as TensorFlow Serving does, other methods among them."""

    def __init__(self, routes: RouteTable, tfs: ASGIApp) -> None:
        self._routes = routes
        self._tfs = tfs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = exchange_of(scope)
        method, path, form = scope["method"], exchange.path, form_of(exchange.path)
        # A browser asks so before a call; whether it may call is said by the headers around the answer.
        preflight = method == "OPTIONS" and bool(exchange.headers.get("origin"))
        allowed = self._routes.methods(path)
        error: HeadwiseError
        if form is Form.V2:
            exchange.verb = "unknown"
            if preflight:
                await Response()(scope, receive, send)
                return
            error = NotFoundError(f"V2 has no {path}; docs/protocols.md lists what it has")
        elif form is Form.TFS or not allowed or (preflight and path.startswith("/v1/")):
            await self._tfs(scope, receive, send)
            return
        if allowed:
            error = MethodNotAllowedError(f"{path} takes {' and '.join(allowed)}, not {method}", allowed)
        await refusal_at(path, exchange.request_id, error)(scope, receive, send)
