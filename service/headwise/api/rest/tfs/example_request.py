"""TensorFlow Serving's classify and regress bodies: JSON to tf.Examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from headwise.api.rest.tfs.json_tensors import from_base64, is_base64
from headwise.api.rest.tfs.json_text import Json, Repeated, type_name
from headwise.api.rest.tfs.predict_request import Body, misformed
from headwise.errors import InvalidRequestError
from headwise.tfserving import example_pb2, inference_pb2

Feature: TypeAlias = Sequence[Any]
"""Ints, floats or bytes, all of one kind; an empty one has none, and counts as absent."""
Example: TypeAlias = Mapping[str, Feature]

INSTEAD = "send instances, or inputs, to :classify"
"""What an error advises where tf.Examples, or TFS's answers to them, have no room for a model."""

_KINDS: Mapping[type, str] = {bool: "int64", int: "int64", float: "float", str: "bytes", dict: "bytes"}
_LISTS: Mapping[type, tuple[str, type[Any]]] = {
    int: ("int64_list", example_pb2.Int64List),
    float: ("float_list", example_pb2.FloatList),
    bytes: ("bytes_list", example_pb2.BytesList),
}
_MAX_INT64 = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Examples:
    """One example a row, and the features that all of them share unless they have their own."""

    rows: tuple[Example, ...]
    context: Example | None = None

    def merged(self) -> list[Example]:
        """The rows with the context's features in them."""
        return [{**(self.context or {}), **row} for row in self.rows]

    def to_proto(self) -> inference_pb2.Input:
        """The examples as Classify and Regress carry them."""
        rows = [_message(row) for row in self.rows]
        if self.context is None:
            return inference_pb2.Input(example_list=inference_pb2.ExampleList(examples=rows))
        shared = inference_pb2.ExampleListWithContext(examples=rows, context=_message(self.context))
        return inference_pb2.Input(example_list_with_context=shared)


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


def _message(example: Example) -> example_pb2.Example:
    features = {name: _feature_message(values) for name, values in example.items()}
    return example_pb2.Example(features=example_pb2.Features(feature=features))


def _feature_message(values: Feature) -> example_pb2.Feature:
    if not values:
        return example_pb2.Feature()
    field, kind = _LISTS[type(values[0])]
    return example_pb2.Feature(**{field: kind(value=values)})
