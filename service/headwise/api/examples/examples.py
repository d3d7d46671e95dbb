"""tf.Examples as plain values, and as the messages that carry them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from headwise.tfserving import example_pb2, inference_pb2

Feature: TypeAlias = Sequence[Any]
"""Ints, floats or bytes, all of one kind; an empty one has none, and counts as absent."""
Example: TypeAlias = Mapping[str, Feature]

INSTEAD = "send arrays to headwise's own Classify: instances or inputs over HTTP, tensors over gRPC"
"""What an error advises where tf.Examples, or TFS's answers to them, have no room for a model."""

_LISTS: Mapping[type, tuple[str, type[Any]]] = {
    int: ("int64_list", example_pb2.Int64List),
    float: ("float_list", example_pb2.FloatList),
    bytes: ("bytes_list", example_pb2.BytesList),
}


@dataclass(frozen=True, slots=True)
class Examples:
    """One example a row, and the features that all of them share unless they have their own."""

    rows: tuple[Example, ...]
    context: Example | None = None

    @classmethod
    def from_proto(cls, proto: inference_pb2.Input) -> Examples:
        """The examples that Classify, Regress and MultiInference carry; none where the message says nothing."""
        kind = proto.WhichOneof("kind")
        if kind is None:
            return cls(())
        sent = getattr(proto, kind)
        rows = tuple(map(_from_message, sent.examples))
        return cls(rows, _from_message(sent.context) if kind == "example_list_with_context" else None)

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


def _from_message(example: example_pb2.Example) -> Example:
    return {name: _values(feature) for name, feature in example.features.feature.items()}


def _values(feature: example_pb2.Feature) -> Feature:
    kind = feature.WhichOneof("kind")
    return () if kind is None else tuple(getattr(feature, kind).value)


def _message(example: Example) -> example_pb2.Example:
    features = {name: _feature_message(values) for name, values in example.items()}
    return example_pb2.Example(features=example_pb2.Features(feature=features))


def _feature_message(values: Feature) -> example_pb2.Feature:
    if not values:
        return example_pb2.Feature()
    field, kind = _LISTS[type(values[0])]
    return example_pb2.Feature(**{field: kind(value=values)})
