"""Options of a call whose body has no room for them: the query string, objects as JSON text."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.datastructures import QueryParams

from headwise.api.options import ClassifyOptions, Include, validated
from headwise.errors import InvalidRequestError
from headwise.gateway import RequestOptions
from headwise.savedmodel.signature import DEFAULT_SIGNATURE


def read(query: QueryParams) -> tuple[str, RequestOptions, frozenset[Include]]:
    """signature_name, options and what to include: `?threshold=0.3&top_k=3&include=probabilities,raw`.

    Raises: InvalidRequestError naming the key.
    """
    form: dict[str, Any] = {name: _value(name, text) for name, text in query.items() if name != "signature_name"}
    options = validated(ClassifyOptions, form)
    return query.get("signature_name", DEFAULT_SIGNATURE), options.of_request(), frozenset(options.include)


def _value(name: str, text: str) -> Any:
    if name == "include":
        return [part for part in text.split(",") if part]
    try:
        return orjson.loads(text)
    except ValueError as error:
        if text.lstrip().startswith("{"):
            raise InvalidRequestError(f"{name} is no JSON: {error}") from error
        return text  # the name of a threshold
