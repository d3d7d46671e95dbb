"""headwise's own call: POST …:classify with `instances` or `inputs`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, Literal

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headwise.api.answer_sizes import of_rows
from headwise.api.options import Include
from headwise.api.rest import classify_response, json_body, large_bodies, strictness
from headwise.api.rest.accept import quality
from headwise.api.rest.classify_request import read_options
from headwise.api.rest.exchange import Exchange, exchange_of
from headwise.api.rest.instances import read_inputs
from headwise.api.rest.media import arrays, ndjson, npz
from headwise.api.rest.media import options as query
from headwise.api.rest.problems import problem
from headwise.api.rest.tfs.paths import Call
from headwise.api.rest.tfs.routes import examples_answer, to_response
from headwise.errors import HeadwiseError, InvalidRequestError, InvalidTensorError
from headwise.gateway import Classification, Gateway
from headwise.repository.model_spec import ModelSpec


class Classify:
    """Answers a body that is headwise's; anything else on this path is TensorFlow Serving's call.

    max_body_bytes: what the arrays of a body may have, unpacked, and a line of a stream.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        max_body_bytes: int,
        tfs_nonfinite: Literal["error", "bare"] = "error",
    ) -> None:
        self._gateway = gateway
        self._limit = max_body_bytes
        self._bare = tfs_nonfinite == "bare"

    async def __call__(self, scope: Scope, receive: Receive, spec: ModelSpec) -> Response:
        """Answer one request."""
        exchange = exchange_of(scope)
        exchange.verb, exchange.model = "classify", spec.name
        kind = exchange.headers.media_type
        try:
            if kind == ndjson.NDJSON:
                exchange.verb = "classify_stream"
                return await self._stream(Request(scope, receive), exchange, spec)
            message = await receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            body = message.get("body", b"")
            if kind in arrays.READERS and (kind != arrays.RAW or exchange.headers.get(arrays.DTYPE)):
                return await self._arrays(Request(scope), exchange, spec, body)
            document = await large_bodies.of_size(len(body), parse, body)
            if document is None:
                call = Call("classify", spec)
                return to_response(await examples_answer(self._gateway, call, body, exchange, bare=self._bare))
            signature_name, options, include = read_options(document)
            if scope["query_string"]:
                raise InvalidRequestError("a JSON body has its options in `options`: leave the query string out")
            named = _named(spec, signature_name)
            read = large_bodies.reading(len(body), partial(read_inputs, document), exchange.memory)
            found = await self._gateway.classify(named, read, options, timeout=exchange.left)
            return await self._answer(exchange, found, include)
        except HeadwiseError as error:
            return problem(exchange.path, exchange.request_id, error)

    async def _arrays(self, request: Request, exchange: Exchange, spec: ModelSpec, body: bytes) -> Response:
        signature_name, options, include = query.read(request.query_params)
        named, read = _named(spec, signature_name), partial(arrays.read, body, exchange.headers, self._limit)
        said = await large_bodies.of_size(len(body), arrays.unpacked, body, exchange.headers)
        unpacked = min(said, self._limit)
        exchange.promise(unpacked)
        reading = large_bodies.reading(max(len(body), unpacked), read, exchange.memory)
        found = await self._gateway.classify(named, reading, options, timeout=exchange.left)
        return await self._answer(exchange, found, include)

    async def _answer(self, exchange: Exchange, found: Classification, include: frozenset[Include]) -> Response:
        """JSON, or arrays where the caller would rather have them."""
        identity = exchange.request_id
        if _wants_arrays(exchange.headers.get("accept")):
            headers = {"X-Model-Version": str(found.model.version)}
            packed = await large_bodies.written(
                of_rows(found), exchange.memory, npz.classification, found, identity, include
            )
            return Response(packed, headers=headers, media_type=arrays.NPZ)
        body = await classify_response.written(found, identity, include, exchange.memory)
        return _Json(body, found.model.version)

    async def _stream(self, request: Request, exchange: Exchange, spec: ModelSpec) -> Response:
        """The answer begins before the body ends; what no line can mend is refused as a whole."""
        signature_name, options, include = query.read(request.query_params)
        named = _named(spec, signature_name)
        model = await self._gateway.resolve(named, timeout=exchange.left, verb="predict")
        options.by_head(model.heads(signature_name))
        if "provenance" in include:
            raise InvalidRequestError("include: a stream has no room for provenance; ask for it with one batch")

        timeout = exchange.timeout

        async def answer(rows: Sequence[Any]) -> list[Any]:
            read = partial(read_inputs, {"instances": rows})
            found = await self._gateway.classify(named, read, options, timeout=timeout)
            told = classify_response.predictions(found, include)
            whose = {"model_version": found.model.version, **({"warnings": found.warnings} if found.warnings else {})}
            return [{**whose, "prediction": one} for one in told]

        lines = ndjson.lines(request.stream(), self._limit, gzip=exchange.headers.is_gzip)
        return ndjson.LinesResponse(ndjson.answered(lines, answer, exchange.request_id))


def _named(spec: ModelSpec, signature_name: str) -> ModelSpec:
    return spec if signature_name == spec.signature_name else replace(spec, signature_name=signature_name)


@lru_cache(maxsize=64)
def _wants_arrays(accept: str) -> bool:
    return quality(accept, arrays.NPZ) > quality(accept, "application/json")


class _Json(Response):
    """The answer of most requests, whose headers need no looking after."""

    background = None

    def __init__(self, body: Sequence[bytes], version: int) -> None:
        self._parts = body
        self.raw_headers = classify_response.headers(body, version)

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        """Answer."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await classify_response.send_body(self._parts, send)


def parse(body: bytes) -> dict[str, Any] | None:
    """The body as headwise's own call; None if it is TensorFlow Serving's.

    Raises: InvalidTensorError for a call of ours that is JSON only with NaN or Infinity in it.
    """
    try:
        document = json_body.parse(body)
    except orjson.JSONDecodeError as error:
        read = strictness.lenient(body)
        if _is_ours(read):
            raise InvalidTensorError(strictness.complaint(read, error)) from error
        return None
    return document if _is_ours(document) else None


def _is_ours(document: object) -> bool:
    return isinstance(document, dict) and ("instances" in document or "inputs" in document)
