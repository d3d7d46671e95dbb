"""TensorFlow Serving's classify and regress bodies: JSON to tf.Examples."""

from __future__ import annotations

from collections.abc import Mapping

from headwise.api.examples.examples import Example, Examples, Feature
from headwise.api.rest.tfs.json_tensors import from_base64, is_base64
from headwise.api.rest.tfs.json_text import Json, Repeated, type_name
from headwise.api.rest.tfs.predict_request import Body, misformed
from headwise.errors import InvalidRequestError

_KINDS: Mapping[type, str] = {bool: "int64", int: "int64", float: "float", str: "bytes", dict: "bytes"}
_MAX_INT64 = 2**63 - 1


def read(body: Body) -> Examples:
    """Read `examples` and `context`.

    Raises: InvalidRequestError.
    """
    members = body.members
    context = _example(members["context"]) if "context" in members else None
    if "examples" not in members:
        raise misformed(members, "When method is classify, key 'examples' is expected and was not found")
    examples = members["examples"]
    if not isinstance(examples, list):
        raise misformed(members, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise misformed(members, "'examples' value is an empty array")
    return Examples(tuple(map(_example, examples)), context)


def _example(value: Json) -> Example:
    if not isinstance(value, dict):
        raise InvalidRequestError(f"Example must be JSON object but got JSON {type_name(value)}")
    # Here TFS goes through all members, so that the last of a name counts.
    members = value.last if isinstance(value, Repeated) else value
    return {name: _feature(name, member) for name, member in members.items()}


def _feature(name: str, value: Json) -> Feature:
    values = value if isinstance(value, list) else [value]
    types = set(map(type, values))
    if types == {float} or (types == {int} and max(values) <= _MAX_INT64):  # type: ignore[type-var, operator]
        return values
    expected: str | None = None
    feature = []
    for element in values:
        kind = _kind(name, element)
        if expected not in (None, kind):
            raise InvalidRequestError(f"Unexpected element type in feature: {name} expecting type: {expected}")
        expected = kind
        feature.append(_value(name, element))
    return feature


def _kind(name: str, element: Json) -> str:
    kind = _KINDS.get(type(element))
    if kind is None or (isinstance(element, dict) and not is_base64(element)):
        unexpected = f"Feature: {name} has element with unexpected JSON type: {type_name(element)}"
        raise InvalidRequestError(unexpected)
    return kind


def _value(name: str, element: Json) -> int | float | bytes:
    match element:
        case str():
            return element.encode()
        case dict():
            return from_base64(element)
        case int() if element > _MAX_INT64:
            raise InvalidRequestError(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
        case bool():
            return int(element)
        case _:
            assert isinstance(element, int | float)
            return element
