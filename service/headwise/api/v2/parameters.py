"""headwise's options as V2 parameters, which are numbers, texts and booleans: an object travels as its JSON text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson

from headwise.api.options import ClassifyOptions, validated
from headwise.errors import InvalidRequestError
from headwise.gateway import RequestOptions
from headwise.savedmodel.signature import DEFAULT_SIGNATURE

Parameters: TypeAlias = Mapping[str, Any]

_SIGNATURE = "signature_name"
_OTHERS = frozenset({"binary_data_output", "priority", "timeout", "sequence_id", "sequence_start", "sequence_end"})
"""What other servers take here and clients send unasked; none of it changes an answer of ours."""


def read_options(parameters: Parameters) -> tuple[str, RequestOptions]:
    """signature_name and options of a request.

    Raises: InvalidRequestError naming the parameter.
    """
    signature = parameters.get(_SIGNATURE, DEFAULT_SIGNATURE)
    if not isinstance(signature, str):
        raise InvalidRequestError(f"parameters.{_SIGNATURE} must be a text")
    form = {name: _value(name, value) for name, value in parameters.items() if name not in _OTHERS | {_SIGNATURE}}
    if "include" in form:
        raise InvalidRequestError("parameters.include: name what you want in `outputs`")
    return signature or DEFAULT_SIGNATURE, validated(ClassifyOptions, form).of_request()


def _value(name: str, value: Any) -> Any:
    if not (isinstance(value, str) and value.lstrip().startswith("{")):
        return value
    try:
        return orjson.loads(value)
    except ValueError as error:
        raise InvalidRequestError(f"parameters.{name} is no JSON: {error}") from error
