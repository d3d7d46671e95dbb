"""V2's paths."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from headwise.api.answer_sizes import of_arrays
from headwise.api.rest import large_bodies
from headwise.api.rest.exchange import exchange_of
from headwise.api.rest.problems import headers_of
from headwise.api.rest.v2 import bodies
from headwise.api.status import shown
from headwise.api.v2 import models
from headwise.api.v2.infer import infer, model_spec
from headwise.errors import HeadwiseError, InvalidRequestError, UnsupportedError
from headwise.gateway import Gateway
from headwise.repository.model_spec import ModelSpec
from headwise.telemetry import trail

LIVE, READY = "/v2/health/live", "/v2/health/ready"
Handler = Callable[[Request], Awaitable[Response]]


class V2Routes:
    """Handlers by path; every error is `{"error": …}`."""

    def __init__(self, gateway: Gateway, *, required: frozenset[str]) -> None:
        self._gateway = gateway
        self._required = required

    async def server(self, _: Request) -> Response:
        """Name, version and extensions."""
        return _json({"name": models.NAME, "version": models.VERSION, "extensions": models.EXTENSIONS})

    async def live(self, _: Request) -> Response:
        """The process answers."""
        return _json({"live": True})

    async def ready(self, _: Request) -> Response:
        """Every model is settled, and every required one ready."""
        ready = self._gateway.repository.snapshot.unready(self._required) is None
        return _json({"ready": ready}, 200 if ready else 503)

    async def list_models(self, _: Request) -> Response:
        """The names of all models."""
        return _json({"models": list(self._gateway.shown.models)})

    async def index(self, request: Request) -> Response:
        """Every version; `{"ready": true}` for those that answer."""
        body = await request.body()
        try:
            asked = orjson.loads(body or b"{}")
        except orjson.JSONDecodeError as error:
            raise InvalidRequestError(f"the body is no JSON: {error}") from error
        if not isinstance(asked, dict) or not isinstance(asked.get("ready", False), bool):
            raise InvalidRequestError('the body must be an object, such as {"ready": true}')
        listed = models.index(self._gateway.shown, ready=asked.get("ready", False))
        return _json([asdict(one) for one in listed])

    async def load(self, request: Request) -> Response:
        """Raises: UnsupportedError."""
        self._gateway.allow("admin", request.path_params["model"])
        raise UnsupportedError("models are loaded by publishing a version to the model repository, not by a call")

    async def model(self, request: Request) -> Response:
        """Inputs and outputs."""
        return _json(
            asdict(await models.metadata(self._gateway, _spec(request), timeout=exchange_of(request.scope).left))
        )

    async def model_ready(self, request: Request) -> Response:
        """Whether it is answered for."""
        spec = _spec(request)
        self._gateway.find(spec.name)
        ready = models.model_ready(self._gateway, spec)
        return _json({"name": spec.name, "ready": ready}, 200 if ready else 503)

    async def infer(self, request: Request) -> Response:
        """One batch."""
        spec = _spec(request)
        data, length = await request.body(), request.headers.get(bodies.JSON_LENGTH)
        found = await large_bodies.of_size(len(data), bodies.read, data, length, spec)
        exchange = exchange_of(request.scope)
        exchange.memory.end()
        answer = await infer(self._gateway, found.request, timeout=exchange.left)
        identity = found.identity or exchange.request_id
        body, json_length = await large_bodies.written(
            of_arrays(answer.outputs, raw=found.raw is None), exchange.memory, bodies.write, answer, identity, found.raw
        )
        if json_length is None:
            return Response(body, media_type="application/json")
        return Response(body, headers={bodies.JSON_LENGTH: str(json_length)}, media_type="application/octet-stream")

    def handled(self, verb: str, handler: Handler) -> Handler:
        """A handler whose errors have V2's form."""

        async def handle(request: Request) -> Response:
            exchange = exchange_of(request.scope)
            exchange.verb, exchange.model = verb, request.path_params.get("model", "")
            try:
                return await handler(request)
            except HeadwiseError as error:
                return refused(error)

        return handle


def refused(error: BaseException) -> Response:
    """An error in V2's form."""
    status, code, text = shown(error)
    trail.failed(code)
    return _json({"error": text}, status.http, {"headwise-error-code": code, **headers_of(error)})


def _spec(request: Request) -> ModelSpec:
    return model_spec(request.path_params["model"], request.path_params.get("version", ""))


def _json(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(document), status, headers, "application/json")
