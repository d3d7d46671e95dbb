"""The HTTP application: its routes, and what stands around them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from fastapi import FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from headwise.api.rest import routers
from headwise.api.rest.admin import Admin
from headwise.api.rest.classify import Classify
from headwise.api.rest.documented import Documented
from headwise.api.rest.entrance import Entrance
from headwise.api.rest.exchange import exchange_of
from headwise.api.rest.middleware import Envelope
from headwise.api.rest.operations import METRICS, OPERATIONS, Operations
from headwise.api.rest.path_forms import classified
from headwise.api.rest.quick import Quick
from headwise.api.rest.refusals import refusal_at
from headwise.api.rest.route_table import RouteTable
from headwise.api.rest.tfs.routes import TfsRoutes
from headwise.api.rest.unrouted import Unrouted
from headwise.api.rest.v2.routes import V2Routes
from headwise.api.rest.watch import Watch
from headwise.api.timeouts import Timeouts
from headwise.errors import HeadwiseError
from headwise.gateway import Gateway
from headwise.telemetry.metrics import Metrics
from headwise.telemetry.requests import Requests

if TYPE_CHECKING:
    from headwise.telemetry.traces.tracing import Tracing


@dataclass(frozen=True, slots=True)
class RestSurface:
    """The ASGI application, the handlers whose state the server sets, and the router, which knows all operations.

    admin: another application, of the operations that have a port of their own.
    """

    app: ASGIApp
    admin: ASGIApp
    operations: Operations
    router: FastAPI


def create_app(
    gateway: Gateway,
    metrics: Metrics,
    *,
    timeout: float,
    max_timeout: float | None = None,
    max_body_bytes: int,
    required_models: frozenset[str] = frozenset(),
    tfs_nonfinite: Literal["error", "bare"] = "error",
    cors: bool = False,
    metrics_apart: bool = False,
    tracing: Tracing | None = None,
) -> RestSurface:
    """Wire the HTTP surface; required_models for /readyz, cors for pages of other origins.

    timeout, max_timeout: seconds, of requests that say nothing, and of any; by default the same. metrics_apart:
    /metrics is of the admin application alone.
    """
    timeouts = Timeouts(timeout, timeout if max_timeout is None else max_timeout)
    classify = Classify(gateway, max_body_bytes=max_body_bytes, tfs_nonfinite=tfs_nonfinite)
    operations = Operations(gateway, metrics, required=required_models)
    tfs = TfsRoutes(gateway, classify, tfs_nonfinite)

    app = Documented(keys=gateway.access is not None)
    parts = (
        routers.of_operations(operations, [one for one in OPERATIONS if one is not METRICS or not metrics_apart]),
        routers.of_models(classify, operations, tfs),
        routers.of_v2(V2Routes(gateway, required=required_models)),
    )
    routes = RouteTable((*app.router.routes, *(route for part in parts for route in part.routes)))
    for part in parts:
        app.include_router(part)
    app.router.routes.append(Mount("", app=Unrouted(routes, tfs)))

    async def refuse(request: Request, error: Exception) -> Response:
        exchange = exchange_of(request.scope)
        return refusal_at(exchange.path, exchange.request_id, error)

    for kind in (HeadwiseError, Exception):
        app.add_exception_handler(kind, refuse)

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        """What most requests ask goes to its handler at once, all else through the router."""
        spec = classified(scope["path"]) if scope.get("method") == "POST" else None
        if spec is None:
            await app(scope, receive, send)
            return
        try:
            response = await classify(scope, receive, spec)
        except ClientDisconnect:
            raise
        except Exception as error:
            exchange = exchange_of(scope)
            await refusal_at(exchange.path, exchange.request_id, error)(scope, receive, send)
            raise
        await response(scope, receive, send)

    requests = Requests("http", metrics, lambda name: name in gateway.repository.snapshot.models)
    watch = Watch()
    around = partial(
        Envelope,
        requests=requests,
        watch=watch,
        max_body_bytes=max_body_bytes,
        timeouts=timeouts,
        admission=gateway.admission,
        entrance=None if gateway.access is None else Entrance(gateway.access, routes),
        tracing=tracing,
    )
    whole: ASGIApp = around(front, cors=cors)
    if not cors:
        whole = Quick(
            whole,
            gateway,
            requests,
            watch,
            timeouts=timeouts,
            max_body_bytes=max_body_bytes,
            find=classified,
            tracing=tracing,
        )
    return RestSurface(whole, around(Admin(operations)), operations, app)
