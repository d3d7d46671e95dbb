"""The routes of HTTP, by whose they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.convertors import IntegerConvertor, StringConvertor, register_url_convertor
from starlette.responses import Response

from headwise import __version__
from headwise.api.rest import documentation
from headwise.api.rest.classify import Classify
from headwise.api.rest.exchange import exchange_of
from headwise.api.rest.operations import METHODS, Operation, Operations
from headwise.api.rest.path_forms import NAME, VERSION
from headwise.api.rest.tfs.routes import TfsRoutes
from headwise.api.rest.v2 import documentation as documentation_v2
from headwise.api.rest.v2.routes import LIVE, READY, V2Routes
from headwise.repository.model_spec import ModelSpec


class _Version(IntegerConvertor):
    """What a path may have as a version."""

    regex = VERSION


class _Name(StringConvertor):
    """What a path of TensorFlow Serving's may have as a name."""

    regex = NAME


register_url_convertor("version", _Version())
register_url_convertor("name", _Name())
_VERSIONS = ("", "/versions/{version:version}", "/labels/{label:name}")
"""The ways to name a version in a path; none means the newest admitted one."""


def of_operations(operations: Operations, offered: Sequence[Operation]) -> APIRouter:
    router = APIRouter(tags=["operations"])
    links = {"documentation": documentation.PAGE, "models": "/v1/models"}
    links |= {one.name: one.path for one in offered}

    def index() -> Response:
        told = {"name": "headwise", "version": __version__, **links}
        return Response(orjson.dumps(told), media_type="application/json")

    def answering(one: Operation) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            return one.answer(operations, request.headers.get("accept", ""))

        return answer

    served: list[tuple[str, str, Callable[..., Response], Mapping[str, Any]]] = [
        (documentation.ROOT, "index", index, documentation.INDEX),
        *((one.path, one.name, answering(one), one.documentation) for one in offered),
    ]
    for (path, name, handler, extra), method in product(served, METHODS):
        router.add_api_route(
            path,
            handler,
            name=name,
            methods=[method],
            include_in_schema=method == "GET",
            response_class=Response,
            response_model=None,
            summary=extra["summary"],
            openapi_extra=dict(extra),
        )
    return router


def of_models(classify: Classify, operations: Operations, tfs: TfsRoutes) -> APIRouter:
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
        path = f"/v1/models/{{model:name}}{version}"
        documented = version == ""
        for verb, route, handler, method, extra in (
            ("classify", f"{path}:classify", call_classify, "POST", documentation.CLASSIFY),
            ("head", f"{path}/head", call_head, "GET", documentation.HEAD),
            ("reliability", f"{path}/reliability", call_reliability, "GET", documentation.RELIABILITY),
            ("predict", f"{path}:predict", tfs.answer, "POST", documentation.PREDICT),
            ("regress", f"{path}:regress", tfs.answer, "POST", documentation.REGRESS),
            ("metadata", f"{path}/metadata", tfs.answer, "GET", documentation.METADATA),
            ("status", path, tfs.answer, "GET", documentation.STATUS),
        ):
            router.add_api_route(
                route,
                handler,
                name=verb,
                methods=[method],
                response_class=Response,
                response_model=None,
                include_in_schema=documented,
                summary=extra["summary"],
                openapi_extra=extra,
            )
    return router


def of_v2(routes: V2Routes) -> APIRouter:
    """The paths of the Open Inference Protocol."""
    router = APIRouter(tags=["v2"])
    plain = "/v2/models/{model}"
    versioned = f"{plain}/versions/{{version}}"
    for path, handler, method, extra in (
        ("/v2", routes.server, "GET", documentation_v2.SERVER),
        (LIVE, routes.live, "GET", documentation_v2.LIVE),
        (READY, routes.ready, "GET", documentation_v2.READY),
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
            name=handler.__name__,
            methods=[method],
            response_class=Response,
            response_model=None,
            include_in_schema=extra is not None and not path.startswith(versioned),
            summary=extra["summary"] if extra else None,
            openapi_extra=extra,
        )
    return router


def _spec(request: Request) -> ModelSpec:
    parts = request.path_params
    return ModelSpec(parts["model"], parts.get("version"), parts.get("label"))
