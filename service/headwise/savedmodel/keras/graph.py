"""A Keras configuration as a graph of layers that is followed backwards, through the models within it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from headwise.savedmodel.keras.serialised import flat, integer, is_keras, is_sequence, items, mapping, text
from headwise.savedmodel.signature import Shape

Ref = tuple[str, int, int]
"""Layer, which of its calls, which of its outputs."""

_FUNCTIONAL = frozenset({"Functional", "Model"})
_MOST_PARTS = 100_000
"""Entries of one call's arguments that are looked at."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What one call of a layer reads, in order, and the shapes of it where they are written down."""

    refs: tuple[Ref, ...] = ()
    shapes: tuple[Shape | None, ...] = ()


class Scope:
    """One Functional or Sequential model. outer: the places that its inputs lead back to; none for the whole.

    times: how many TimeDistributed layers it lies in; each takes the second axis out of sight.
    """

    def __init__(self, config: Mapping[str, Any], outer: Sequence[Place | None] = (), times: int = 0) -> None:
        self.outer = outer
        self.times = times
        layers = [mapping(layer) for layer in items(config.get("layers"))]
        self.is_chain = "output_layers" not in config
        self.has_keys = isinstance(config.get("output_layers"), dict) and not is_sequence(config["output_layers"])
        self._config = config
        if self.is_chain:
            self.layers = {str(index): layer for index, layer in enumerate(layers)}
        else:
            self.layers = {layer_name(layer): layer for layer in layers}
        self._calls: dict[tuple[str, int], Inputs] = {}

    @cached_property
    def outputs(self) -> tuple[tuple[tuple[str, ...], Ref | None], ...]:
        """The outputs with the way to each through lists and keys, in Keras's order."""
        if self.is_chain:
            return (((), (str(len(self.layers) - 1), 0, 0)),) if self.layers else ()
        # Keras counts the calls of a model within a model from 1 here, Keras 2 everywhere.
        return tuple((path, self._counted_from_0(ref)) for path, ref in _refs(self._config.get("output_layers")))

    @cached_property
    def _inputs(self) -> tuple[str, ...]:
        return tuple(ref[0] for _, ref in _refs(self._config.get("input_layers")) if ref is not None)

    def _counted_from_0(self, ref: Ref | None) -> Ref | None:
        if ref is None or not is_functional(self.layers.get(ref[0], {})):
            return ref
        return ref[0], max(ref[1] - 1, 0), ref[2]

    def layer(self, ref: Ref) -> Mapping[str, Any]:
        """The configuration of the layer that makes a tensor; empty if there is none."""
        return self.layers.get(ref[0], {})

    def inputs(self, ref: Ref) -> Inputs:
        """What the call that makes a tensor reads."""
        key = ref[0], ref[1]
        if key not in self._calls:
            self._calls[key] = self._chained(ref) if self.is_chain else self._called(ref)
        return self._calls[key]

    def entered(self, ref: Ref) -> Place | None:
        """What an InputLayer stands for, seen from outside."""
        index = 0 if self.is_chain else self._inputs.index(ref[0]) if ref[0] in self._inputs else len(self.outer)
        return self.outer[index] if index < len(self.outer) else None

    def _chained(self, ref: Ref) -> Inputs:
        index = int(ref[0])
        built = mapping(self.layer(ref).get("build_config")).get("input_shape")
        before = (str(index - 1), 0, 0) if index else (ENTRY, 0, 0)
        return Inputs((before,), (_shape(built),))

    def _called(self, ref: Ref) -> Inputs:
        calls = items(self.layer(ref).get("inbound_nodes"))
        call = calls[ref[1]] if 0 <= ref[1] < len(calls) else None
        if not isinstance(call, dict):
            read = [ref for ref in (self._counted_from_0(_ref(part)) for part in items(call)) if ref is not None]
            return Inputs(tuple(read), (None,) * len(read))
        tensors = _tensors(call.get("args")) or _tensors(call.get("kwargs"))
        return Inputs(tuple(ref for ref, _ in tensors), tuple(shape for _, shape in tensors))


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor: in which scope, and which."""

    scope: Scope
    ref: Ref


ENTRY = ""
"""The layer before the first one of a Sequential model that names no input."""


def layer_name(layer: Mapping[str, Any]) -> str:
    """A layer's own name."""
    return text(layer.get("name")) or text(mapping(layer.get("config")).get("name"))


def is_model(layer: Mapping[str, Any]) -> bool:
    """Whether it is a model whose layers the configuration shows, and nothing but them."""
    return is_functional(layer) or (is_keras(layer) and layer.get("class_name") == "Sequential")


def is_functional(layer: Mapping[str, Any]) -> bool:
    """Whether it is a Functional model of Keras's own class."""
    return is_keras(layer) and text(layer.get("class_name")) in _FUNCTIONAL


def _refs(structure: object) -> list[tuple[tuple[str, ...], Ref | None]]:
    """The tensors in `input_layers` or `output_layers`; [name, 0, 0] is a tensor, a list of them is a structure."""
    if (one := _ref(structure)) is not None:
        return [((), one)]
    found: dict[tuple[str, ...], list[Any]] = {}
    for path, leaf in flat(structure):
        found.setdefault(path[:-1], []).append(leaf)
    return [(path, _ref(leaves)) for path, leaves in found.items()]


def _ref(value: object) -> Ref | None:
    name, *rest = [*items(value), None]
    indices = [integer(part) for part in rest[:2]]
    if not isinstance(name, str) or len(indices) < 2 or indices[0] is None or indices[1] is None:
        return None
    return name, indices[0], indices[1]


def _tensors(structure: object) -> list[tuple[Ref, Shape | None]]:
    """The Keras tensors among a call's arguments, in order."""
    found: list[tuple[Ref, Shape | None]] = []
    left, looked_at = [structure], 0
    while left and looked_at < _MOST_PARTS:
        value, looked_at = left.pop(), looked_at + 1
        said = mapping(value)
        if said.get("class_name") == "__keras_tensor__":
            config = mapping(said.get("config"))
            ref = _ref(config.get("keras_history"))
            if ref is not None:
                found.append((ref, _shape(config.get("shape"))))
        elif items(value):
            left.extend(reversed(items(value)))
        else:
            left.extend(said[key] for key in sorted(said, key=str, reverse=True))
    return found


def _shape(value: object) -> Shape | None:
    """A shape as Keras writes it; None where it is none, or one for each of several inputs."""
    sizes = items(value)
    if not sizes or not all(size is None or integer(size) is not None for size in sizes):
        return None
    return tuple(integer(size) for size in sizes)
