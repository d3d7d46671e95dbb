"""Follows a Keras model's outputs back to the layers that made them, as `detection` does in a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from headwise.savedmodel.detected import LINEAR, UNKNOWN, DetectedHead
from headwise.savedmodel.keras.activations import (
    LAYERS,
    OPS,
    ROW_WISE,
    activation_of,
    is_over_last_axis,
)
from headwise.savedmodel.keras.graph import ENTRY, Place, Ref, Scope, is_model, layer_name
from headwise.savedmodel.keras.layers import JOINS, MOVES, OP_MOVES, WEIGHTED_SUMS, Move, Rows, made
from headwise.savedmodel.keras.serialised import integer, is_keras, mapping, text
from headwise.savedmodel.signature import Shape
from headwise.savedmodel.trail import MOST_NESTED_JOINS, UntraceableError, beneath, same, shortened, shown

_STEPS = 10_000
"""Layers that are visited for one output. A network's head takes about 5; a configuration may lead in a circle."""
_OPS_MODULES = ("keras.src.ops.", "keras.ops")


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer on the way. before: the shape that it reads, where it is written down. times: as in Scope."""

    name: str
    config: Mapping[str, Any]
    is_op: bool
    before: Shape | None
    times: int


@dataclass(frozen=True, slots=True)
class _Origin:
    """The activation that was found, the rows that it made, and what it was applied to, one a part of a join."""

    activation: str
    rows: Rows
    applied_to: tuple[Place, ...] = ()


def detect_output(scope: Scope, ref: Ref) -> DetectedHead:
    """The head of one output."""
    walk = _Walk(_Budget())
    origin = _Origin(UNKNOWN, Rows(None, None))
    try:
        origin = walk.back(Place(scope, ref))
    except UntraceableError as error:
        walk.path.append(str(error))
    below = (_Walk(walk.budget).back(place).activation for place in origin.applied_to)
    return DetectedHead(origin.activation, origin.rows.last, shown(walk.path), beneath(origin.activation, below))


class _Budget:
    """Visits that are left, for all that is done for one output."""

    def __init__(self) -> None:
        self.left = _STEPS

    def spend(self) -> None:
        """Count one visit.

        Raises: UntraceableError.
        """
        self.left -= 1
        if self.left < 0:
            raise UntraceableError(f"more than {_STEPS} layers: they may lead in a circle")


class _Walk:
    """One way back to the layer that made the numbers, and forward again to see what became of its rows."""

    def __init__(self, budget: _Budget, nested: int = 0) -> None:
        self.budget = budget
        self.nested = nested
        self.path: list[str] = []

    def back(self, place: Place) -> _Origin:
        """The origin of a tensor, its rows as they arrive there.

        Raises: UntraceableError.
        """
        moves: list[tuple[Move, _Layer]] = []
        while True:
            place, layer = self._inner(place)
            if layer.name in JOINS:
                return _arrived(self._joined(place, layer), moves, layer.times)
            move = _move(layer)
            if move is None:
                return _arrived(self._made(place, layer), moves, layer.times)
            moves.append((move, layer))
            place = _only_input(place)

    def _inner(self, place: Place) -> tuple[Place, _Layer]:
        """Go through inputs and into models, up to a layer that does something itself."""
        while True:
            self.budget.spend()
            scope, ref = place.scope, place.ref
            said = scope.layer(ref)
            if ref[0] == ENTRY or said.get("class_name") == "InputLayer":
                place = _outside(place)
                continue
            if not said:
                raise UntraceableError(f"there is no layer {shortened(ref[0])!r}")
            said, times = self._unwrapped(said, scope.times)
            if is_model(said):
                place = _entered(place, said, times)
            elif is_keras(said):
                before = next(iter(scope.inputs(ref).shapes), None)
                return place, _layer(said, _without_times(before, times - scope.times), times)
            else:
                raise UntraceableError("a class that is not Keras's own: it may do anything")

    def _unwrapped(self, said: Mapping[str, Any], times: int) -> tuple[Mapping[str, Any], int]:
        """The layer within TimeDistributed layers, and how many there are."""
        while True:
            self.budget.spend()
            self.path.append(shortened(f"{text(said.get('class_name'))} {layer_name(said)}"))
            if not is_keras(said) or said.get("class_name") != "TimeDistributed":
                return said, times
            said, times = mapping(mapping(said.get("config")).get("layer")), times + 1

    def _made(self, place: Place, layer: _Layer) -> _Origin:
        name, config = layer.name, layer.config
        if not layer.is_op and name in WEIGHTED_SUMS:
            return _Origin(activation_of(config), made(name, config, layer.before))
        activation = OPS.get(name) if layer.is_op else LAYERS[name](config) if name in LAYERS else None
        if activation is None or activation == UNKNOWN:
            return _Origin(UNKNOWN, Rows(None, None))
        rank = None if layer.before is None else len(layer.before)
        if activation in ROW_WISE and (rank == 1 or not is_over_last_axis(config, rank)):
            raise UntraceableError(f"the {activation} does not go over the last axis")
        applied_to = _only_input(place)
        rows = Rows.of(layer.before) if layer.before else self._rows_of(applied_to)
        return _Origin(activation, rows, (applied_to,))

    def _rows_of(self, place: Place) -> Rows:
        """The shape of a tensor that no layer's configuration writes down."""
        if self.nested == MOST_NESTED_JOINS:
            return Rows(None, None)
        try:
            return replace(_Walk(self.budget, self.nested + 1).back(place).rows, whole=True)
        except UntraceableError:
            return Rows(None, None)

    def _joined(self, place: Place, layer: _Layer) -> _Origin:
        """What all parts of a concatenation are."""
        if self.nested == MOST_NESTED_JOINS:
            raise UntraceableError(f"more than {MOST_NESTED_JOINS} joins within each other")
        inputs = place.scope.inputs(place.ref)
        origins: list[_Origin] = []
        for ref in inputs.refs:
            walk = _Walk(self.budget, self.nested + 1)
            origins.append(walk.back(Place(place.scope, ref)))
            if len(origins) == 1:
                self.path.extend(walk.path)
        activation = same([origin.activation for origin in origins])
        along = _is_last(integer(layer.config.get("axis")), layer.before)
        if activation in ROW_WISE and along is not False:
            raise UntraceableError(f"the rows of the {activation} are joined along their own axis")
        sizes = [origin.rows.last for origin in origins]
        known = [size for size in sizes if size is not None]
        units = None if along is None or len(known) < len(sizes) else sum(known) if along else known[0]
        return _Origin(activation, Rows(None, units), tuple(part for origin in origins for part in origin.applied_to))


def _arrived(origin: _Origin, moves: list[tuple[Move, _Layer]], times: int) -> _Origin:
    """The origin with its rows after the moves, which are given from the last to the first."""
    rows = origin.rows
    for move, layer in reversed(moves):
        if layer.times != times:
            rows, times = replace(rows, shape=None), layer.times
        if rows.shape is None and layer.before:
            rows = Rows.of(layer.before, whole=rows.whole)
        rows = move(layer.config, rows)
        if origin.activation in ROW_WISE and not rows.whole:
            raise UntraceableError(f"the rows of the {origin.activation} do not arrive whole: {layer.name}")
    return replace(origin, rows=rows)


def _layer(said: Mapping[str, Any], before: Shape | None, times: int) -> _Layer:
    is_op = text(said.get("module")).startswith(_OPS_MODULES)
    return _Layer(text(said.get("class_name")), mapping(said.get("config")), is_op, before, times)


def _move(layer: _Layer) -> Move | None:
    """How the layer passes numbers on; None if it makes them."""
    if layer.is_op:
        return OP_MOVES.get(layer.name)
    if layer.name == "Activation" and activation_of(layer.config) == LINEAR:
        return MOVES["Identity"]
    return MOVES.get(layer.name)


def _only_input(place: Place) -> Place:
    refs = place.scope.inputs(place.ref).refs
    if len(refs) != 1:
        raise UntraceableError(f"it reads {len(refs)} tensors")
    return Place(place.scope, refs[0])


def _outside(place: Place) -> Place:
    outside = place.scope.entered(place.ref)
    if outside is None:
        raise UntraceableError("an input of the model, as it came")
    return outside


def _entered(place: Place, model: Mapping[str, Any], times: int) -> Place:
    """The output of a model within the model."""
    scope, ref = place.scope, place.ref
    outer = tuple(Place(scope, read) for read in scope.inputs(ref).refs)
    within = Scope(mapping(model.get("config")), outer, times)
    inner = within.outputs[ref[2]][1] if 0 <= ref[2] < len(within.outputs) else None
    if inner is None:
        raise UntraceableError(f"the model has no output {ref[2]}")
    return Place(within, inner)


def _without_times(shape: Shape | None, times: int) -> Shape | None:
    """A shape as the layer within TimeDistributed layers sees it."""
    return None if shape is None else (*shape[:1], *shape[1 + times :])


def _is_last(axis: int | None, shape: Shape | None) -> bool | None:
    """Whether an axis is the last one; None where that is not known."""
    if axis == -1 or (shape is not None and axis == len(shape) - 1):
        return True
    return None if axis is None or shape is None else False
