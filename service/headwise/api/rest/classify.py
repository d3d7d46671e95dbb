"""headwise's own call: POST …:classify with `instances` or `inputs`."""

from __future__ import annotations

from typing import Any, Literal

import orjson
from starlette.requests import Request
from starlette.responses import Response

from headwise.api.rest import classify_response
from headwise.api.rest.classify_request import read_options
from headwise.api.rest.instances import read_inputs
from headwise.api.rest.problems import problem
from headwise.api.rest.tfs import json_text
from headwise.api.rest.tfs.paths import Call
from headwise.api.rest.tfs.routes import examples_answer, to_response
from headwise.errors import HeadwiseError, InvalidRequestError, InvalidTensorError
from headwise.gateway import Gateway
from headwise.repository.model_spec import ModelSpec


class Classify:
    """Answers a body that is headwise's; anything else on this path is TensorFlow Serving's call."""

    def __init__(self, gateway: Gateway, *, timeout: float, tfs_nonfinite: Literal["error", "bare"] = "error") -> None:
        self._gateway = gateway
        self._timeout = timeout
        self._bare = tfs_nonfinite == "bare"

    async def __call__(self, request: Request, spec: ModelSpec) -> Response:
        """Answer one request."""
        request.scope["headwise.verb"] = "classify"
        request.scope["headwise.model"] = spec.name
        try:
            body = await request.body()
            document = parse(body)
            if document is None:
                call = Call("classify", spec)
                return to_response(
                    await examples_answer(self._gateway, call, body, timeout=self._timeout, bare=self._bare)
                )
            return await self._answer(request, spec, document)
        except HeadwiseError as error:
            return problem(request, error)

    async def _answer(self, request: Request, spec: ModelSpec, document: dict[str, Any]) -> Response:
        signature_name, options, include = read_options(document)
        classification = await self._gateway.classify(
            ModelSpec(spec.name, spec.version, spec.label, signature_name),
            lambda signature: read_inputs(document, signature),
            options,
            timeout=self._timeout,
        )
        body = classify_response.classification(classification, request.scope["headwise.request_id"], include)
        return Response(body, media_type="application/json")


def parse(body: bytes) -> dict[str, Any] | None:
    """The body as headwise's own call; None if it is TensorFlow Serving's.

    Raises: InvalidTensorError for a call of ours that is JSON only with NaN or Infinity in it.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if _is_ours(_lenient(body)):
            raise InvalidTensorError(f"the body is not strict JSON ({error}): numbers must be finite") from error
        return None
    return document if _is_ours(document) else None


def _lenient(body: bytes) -> object:
    """What TensorFlow Serving would read; None where it reads nothing either."""
    try:
        return json_text.parse(body)
    except InvalidRequestError:
        return None


def _is_ours(document: object) -> bool:
    return isinstance(document, dict) and ("instances" in document or "inputs" in document)
