"""The HTTP application: its routes, and what stands around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter, FastAPI, Request
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from headwise import __version__
from headwise.api.rest import documentation
from headwise.api.rest.admin import Admin
from headwise.api.rest.classify import Classify
from headwise.api.rest.exchange import exchange_of
from headwise.api.rest.middleware import Envelope
from headwise.api.rest.operations import Operations
from headwise.api.rest.problems import problem
from headwise.api.rest.quick import Quick
from headwise.api.rest.route import VERSION, classified
from headwise.api.rest.tfs.routes import TFS_VERBS, TfsRoutes, internal_error
from headwise.api.rest.v2 import documentation as documentation_v2
from headwise.api.rest.v2.routes import V2Routes, refused
from headwise.api.rest.watch import Watch
from headwise.api.timeouts import Timeouts
from headwise.errors import HeadwiseError
from headwise.gateway import Gateway
from headwise.repository.model_spec import ModelSpec
from headwise.telemetry.metrics import Metrics
from headwise.telemetry.requests import Requests

if TYPE_CHECKING:
    from headwise.telemetry.traces.tracing import Tracing

_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]


class _Version(IntegerConvertor):
    """What a path may have as a version."""

    regex = VERSION


register_url_convertor("version", _Version())
_VERSIONS = ("", "/versions/{version:version}", "/labels/{label}")
"""The ways to name a version in a path; none means the newest admitted one."""


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

    app = FastAPI(title="headwise", version=__version__, description=documentation.ABOUT, redoc_url=None)
    app.include_router(_operations(operations, metrics=not metrics_apart))
    app.include_router(_models(classify, operations, tfs))
    app.include_router(_v2(V2Routes(gateway, required=required_models)))
    app.router.routes.append(Mount("", app=tfs))

    async def refuse(request: Request, error: Exception) -> Response:
        exchange = exchange_of(request.scope)
        if exchange.verb in TFS_VERBS:
            return internal_error()
        if exchange.path.startswith("/v2"):
            return refused(error)
        return problem(exchange.path, exchange.request_id, error)

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
            await problem(exchange.path, exchange.request_id, error)(scope, receive, send)
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
        access=gateway.access,
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


def _operations(operations: Operations, *, metrics: bool) -> APIRouter:
    router = APIRouter(tags=["operations"])

    def call_metrics(request: Request) -> Response:
        return operations.metrics(request.headers.get("accept", ""))

    handlers: list[tuple[str, Callable[..., Response], dict[str, Any]]] = [
        ("/livez", operations.livez, documentation.LIVEZ),
        ("/readyz", operations.readyz, documentation.READYZ),
    ]
    if metrics:
        handlers.append(("/metrics", call_metrics, documentation.METRICS))
    for path, handler, extra in handlers:
        router.add_api_route(
            path,
            handler,
            response_class=Response,
            response_model=None,
            summary=extra["summary"],
            openapi_extra=extra,
        )
    return router


def _models(classify: Classify, operations: Operations, tfs: TfsRoutes) -> APIRouter:
    """The model paths; TensorFlow Serving's stand here for the documentation and go to its handler."""
    router = APIRouter(tags=["models"])

    async def call_classify(request: Request) -> Response:
        return await classify(request.scope, request.receive, _spec(request))

    async def call_head(request: Request) -> Response:
        return await operations.head(_spec(request), timeout=exchange_of(request.scope).left)

    async def call_reliability(request: Request) -> Response:
        exchange = exchange_of(request.scope)
        accept = exchange.headers.get("accept")
        return await operations.reliability(_spec(request), request.query_params, accept, timeout=exchange.left)

    router.add_api_route(
        "/v1/models",
        operations.models,
        response_class=Response,
        response_model=None,
        summary=documentation.MODELS["summary"],
        openapi_extra=documentation.MODELS,
    )
    for version in _VERSIONS:
        path = f"/v1/models/{{model}}{version}"
        documented = version == ""
        for route, handler, method, extra in (
            (f"{path}:classify", call_classify, "POST", documentation.CLASSIFY),
            (f"{path}/head", call_head, "GET", documentation.HEAD),
            (f"{path}/reliability", call_reliability, "GET", documentation.RELIABILITY),
            (f"{path}:predict", tfs.answer, "POST", documentation.PREDICT),
            (f"{path}:regress", tfs.answer, "POST", documentation.REGRESS),
            (f"{path}/metadata", tfs.answer, "GET", documentation.METADATA),
            (path, tfs.answer, "GET", documentation.STATUS),
        ):
            router.add_api_route(
                route,
                handler,
                methods=[method],
                response_class=Response,
                response_model=None,
                include_in_schema=documented,
                summary=extra["summary"],
                openapi_extra=extra,
            )
    return router


def _v2(routes: V2Routes) -> APIRouter:
    """The paths of the Open Inference Protocol; what is not among them is refused in its form."""
    router = APIRouter(tags=["v2"])
    plain = "/v2/models/{model}"
    versioned = f"{plain}/versions/{{version}}"
    for path, handler, method, extra in (
        ("/v2", routes.server, "GET", documentation_v2.SERVER),
        ("/v2/health/live", routes.live, "GET", documentation_v2.LIVE),
        ("/v2/health/ready", routes.ready, "GET", documentation_v2.READY),
        ("/v2/models", routes.list_models, "GET", documentation_v2.MODELS),
        ("/v2/repository/index", routes.index, "POST", documentation_v2.INDEX),
        *(
            (f"{base}{end}", handler, method, extra)
            for base in (plain, versioned)
            for end, handler, method, extra in (
                ("", routes.model, "GET", documentation_v2.METADATA),
                ("/ready", routes.model_ready, "GET", documentation_v2.MODEL_READY),
                ("/infer", routes.infer, "POST", documentation_v2.INFER),
            )
        ),
        ("/v2/repository/models/{model}/load", routes.load, "POST", None),
        ("/v2/repository/models/{model}/unload", routes.load, "POST", None),
    ):
        router.add_api_route(
            path,
            routes.handled(handler.__name__, handler),
            methods=[method],
            response_class=Response,
            response_model=None,
            include_in_schema=extra is not None and not path.startswith(versioned),
            summary=extra["summary"] if extra else None,
            openapi_extra=extra,
        )
    router.add_route("/v2{rest:path}", routes.handled("unknown", routes.unknown), _METHODS, include_in_schema=False)
    return router


def _spec(request: Request) -> ModelSpec:
    parts = request.path_params
    return ModelSpec(parts["model"], parts.get("version"), parts.get("label"))
