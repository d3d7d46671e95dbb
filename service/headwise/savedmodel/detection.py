"""Follows a signature's outputs back to the ops that made them, and says which activation was applied last.

What is reported is proved by the graph: arithmetic, control flow and selections that have no activation's name are
UNKNOWN, and the last entry of the path says what could not be followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headwise.savedmodel import axes, ops
from headwise.savedmodel.detected import LINEAR, UNKNOWN, DetectedHead
from headwise.savedmodel.graph import Graph, Tensor, shape_of
from headwise.savedmodel.signature import Shape, Signature, TensorSpec
from headwise.savedmodel.trail import MOST_NESTED_JOINS, UntraceableError, beneath, same, shortened, shown
from headwise.savedmodel.weights import is_weighted_sum, moved
from headwise.tfserving import saved_model_pb2


@dataclass(frozen=True, slots=True)
class _Origin:
    """The activation that was found, and the tensors it was found on: one, or one for each part of a join."""

    activation: str
    tensors: tuple[Tensor, ...] = ()


def detect(
    graph: saved_model_pb2.MetaGraphDef, signatures: Mapping[str, Signature]
) -> dict[str, dict[str, DetectedHead]]:
    """Find the head of every floating output, by signature and output."""
    traced = Graph(graph.graph_def)
    return {
        name: {
            output: _head(traced, graph.signature_def[name].outputs[output].name, spec)
            for output, spec in signature.outputs.items()
            if "float" in spec.dtype
        }
        for name, signature in signatures.items()
    }


def _head(graph: Graph, reference: str, spec: TensorSpec) -> DetectedHead:
    walk = _Walk(graph)
    origin = _Origin(UNKNOWN)
    try:
        origin = walk.back(graph.tensor(reference), spec.shape)
    except UntraceableError as error:
        walk.path.append(str(error))
    units = TensorSpec(spec.dtype, walk.shape).units if spec.units is None else spec.units
    below = (_Walk(graph).back(graph.input(tensor, 0), None).activation for tensor in origin.tensors)
    return DetectedHead(origin.activation, units, shown(walk.path), beneath(origin.activation, below))


class _Walk:
    """One way back. shape: of the tensor that it began with, as far as any op on the way tells."""

    def __init__(self, graph: Graph, joins: int = 0) -> None:
        self.graph = graph
        self.joins = joins
        self.path: list[str] = []
        self.shape: Shape | None = None

    def back(self, tensor: Tensor, shape: Shape | None) -> _Origin:
        """Go back to the op that made the numbers.

        Raises: UntraceableError.
        """
        cut_by, moves = None, 0
        while True:
            node = tensor.node
            shape = _merged(shape, shape_of(tensor))
            self.shape = self.shape if moves else shape
            self.path.append(shortened(f"{node.op} {node.name}"))
            if node.op in ops.JOINS and not tensor.index:
                return self._joined(tensor, shape, cut_by)
            below = moved(self.graph, tensor)
            if below is None:
                return self._made(tensor, shape, cut_by)
            if node.op in ops.MOVES:
                before = shape_of(below)
                if cut_by is None and not self._keeps_rows(tensor, before, shape, first=not moves):
                    cut_by = self.path[-1]
                shape, moves = before, moves + 1
            tensor = below

    def _keeps_rows(self, tensor: Tensor, before: Shape | None, after: Shape | None, *, first: bool) -> bool:
        """A vector counts as one unit for each of its rows, so it may only be made of such, and nothing else of it."""
        if after is not None and len(after) == 1:
            return first and not self.joins and axes.drops_axis_of_one(before, after)
        return ops.MOVES[tensor.node.op](self.graph, tensor, before, after)

    def _made(self, tensor: Tensor, shape: Shape | None, cut_by: str | None) -> _Origin:
        op = tensor.node.op
        if tensor.index:
            return _Origin(UNKNOWN, (tensor,))
        if op in ops.ROW_WISE:
            self._require_whole_rows(ops.ROW_WISE[op], shape, cut_by)
            return _Origin(ops.ROW_WISE[op], (tensor,))
        if op in ops.ELEMENTWISE:
            return _Origin(ops.ELEMENTWISE[op], (tensor,))
        return _Origin(LINEAR if is_weighted_sum(self.graph, tensor) else UNKNOWN, (tensor,))

    def _joined(self, tensor: Tensor, shape: Shape | None, cut_by: str | None) -> _Origin:
        """What all parts of a concatenation or stack are."""
        if self.joins == MOST_NESTED_JOINS:
            raise UntraceableError(f"more than {MOST_NESTED_JOINS} joins within each other")
        origins: list[_Origin] = []
        for part in _parts(self.graph, tensor):
            walk = _Walk(self.graph, self.joins + 1)
            origins.append(walk.back(part, None))
            if len(origins) == 1:
                self.path.extend(walk.path)
        activation = same([origin.activation for origin in origins])
        if activation in ops.ROW_WISE.values():
            whole = axes.joined(self.graph, tensor, shape)
            self._require_whole_rows(activation, shape, cut_by if whole else self.path[0])
        return _Origin(activation, tuple(made for origin in origins for made in origin.tensors))

    @staticmethod
    def _require_whole_rows(activation: str, shape: Shape | None, cut_by: str | None) -> None:
        if cut_by is not None:
            raise UntraceableError(f"the rows of the {activation} do not arrive whole: {cut_by}")
        if shape is None or len(shape) < 2:
            raise UntraceableError(f"the {activation} may go over the rows of a batch: it has no axis of its own")


def _parts(graph: Graph, tensor: Tensor) -> list[Tensor]:
    inputs = graph.inputs(tensor)
    return {"ConcatV2": inputs[:-1], "Concat": inputs[1:], "Pack": inputs}[tensor.node.op]


def _merged(known: Shape | None, inferred: Shape | None) -> Shape | None:
    """What two sources say of one tensor's shape, the second trusted more."""
    if known is None or inferred is None:
        return inferred or known
    if len(known) != len(inferred):
        return inferred
    return tuple(first if second is None else second for first, second in zip(known, inferred, strict=True))
