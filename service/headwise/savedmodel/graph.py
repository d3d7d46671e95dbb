"""A SavedModel's graph, followed backwards: from a tensor to the node that makes it, through function calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headwise.savedmodel.signature import Shape
from headwise.savedmodel.trail import UntraceableError, shortened
from headwise.tfserving import graph_pb2

CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
STEPS = 50_000
"""Nodes that are visited for all outputs together. An output of a network takes 10 to 40; a graph that calls itself
would take for ever, and this many take less than half a second."""
_PLACES = 6
"""Digits of an output's index: more are no index."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function that was entered, and the call it was entered from: its arguments lead back there."""

    function: graph_pb2.FunctionDef
    node: graph_pb2.NodeDef
    caller: Call | None


@dataclass(frozen=True, slots=True)
class Tensor:
    """One output of a node, within one call (None: the graph itself)."""

    node: graph_pb2.NodeDef
    index: int
    call: Call | None


class Graph:
    """The graph and its functions. Nodes are indexed when a function is first entered."""

    def __init__(self, proto: graph_pb2.GraphDef) -> None:
        self._proto = proto
        self._functions = {function.signature.name: function for function in proto.library.function}
        self._nodes: dict[str | None, Mapping[str, graph_pb2.NodeDef]] = {}
        self._arguments: dict[str, Mapping[str, int]] = {}
        self._left = STEPS

    def tensor(self, reference: str, call: Call | None = None) -> Tensor:
        """Find what a node's input or a signature names: "node:1", in functions "node:output:1" or an argument.

        Raises: UntraceableError.
        """
        self._spend()
        while call is not None and (position := self._argument_positions(call.function).get(reference)) is not None:
            self._spend()
            reference, call = self._data_inputs(call.node)[position], call.caller
        name, *rest = reference.split(":")
        node = self._nodes_of(call).get(name)
        if node is None:
            raise UntraceableError(f"there is no node {shortened(name)}")
        return Tensor(node, self._index(node, rest), call)

    def is_call(self, node: graph_pb2.NodeDef) -> bool:
        """Say whether the node runs a function of the library."""
        return node.op in CALLS or node.op in self._functions

    def entered(self, tensor: Tensor) -> Tensor:
        """Follow a call's output to the tensor inside the function that it returns.

        Raises: UntraceableError.
        """
        name = attribute(tensor.node, "f").func.name if tensor.node.op in CALLS else tensor.node.op
        function = self._functions.get(name)
        if function is None:
            raise UntraceableError(f"there is no function {shortened(name)}")
        returned, expected = function.signature.output_arg, len(function.signature.input_arg)
        given = len(self._data_inputs(tensor.node))
        if given != expected:
            raise UntraceableError(f"{shortened(name)} takes {expected} arguments, not {given}")
        if tensor.index >= len(returned) or returned[tensor.index].name not in function.ret:
            raise UntraceableError(f"{shortened(name)} returns no output {tensor.index}")
        return self.tensor(function.ret[returned[tensor.index].name], Call(function, tensor.node, tensor.call))

    def inputs(self, tensor: Tensor) -> list[Tensor]:
        """Find all that a node reads.

        Raises: UntraceableError.
        """
        return [self.tensor(reference, tensor.call) for reference in self._data_inputs(tensor.node)]

    def input(self, tensor: Tensor, position: int) -> Tensor:
        """Find one of a node's inputs; -1 is the last.

        Raises: UntraceableError.
        """
        references = self._data_inputs(tensor.node)
        if not -len(references) <= position < len(references):
            raise UntraceableError(f"it has {len(references)} inputs")
        return self.tensor(references[position], tensor.call)

    def _data_inputs(self, node: graph_pb2.NodeDef) -> list[str]:
        """What a node reads, without the nodes that it only waits for."""
        self._spend(len(node.input) // 50)
        return [reference for reference in node.input if not reference.startswith("^")]

    def _spend(self, steps: int = 1) -> None:
        self._left -= steps
        if self._left < 0:
            raise UntraceableError(f"given up after {STEPS} nodes")

    def _nodes_of(self, call: Call | None) -> Mapping[str, graph_pb2.NodeDef]:
        key = None if call is None else call.function.signature.name
        if key not in self._nodes:
            nodes = self._proto.node if call is None else call.function.node_def
            self._spend(len(nodes) // 100)
            self._nodes[key] = {node.name: node for node in nodes}
        return self._nodes[key]

    def _argument_positions(self, function: graph_pb2.FunctionDef) -> Mapping[str, int]:
        name = function.signature.name
        if name not in self._arguments:
            self._arguments[name] = {argument.name: at for at, argument in enumerate(function.signature.input_arg)}
        return self._arguments[name]

    def _index(self, node: graph_pb2.NodeDef, rest: list[str]) -> int:
        """The flat number of an output. Ops that headwise follows have one output, or one list of them."""
        text = rest[-1] if rest else "0"
        if len(rest) > 2 or not (text.isascii() and text.isdigit() and len(text) <= _PLACES):
            raise UntraceableError(f"{shortened(':'.join(rest))} is no output")
        if len(rest) == 2 and (function := self._functions.get(node.op)) is not None:
            names = [argument.name for argument in function.signature.output_arg]
            return names.index(rest[0]) if rest[0] in names else len(names)
        return int(text)


_NO_ATTRIBUTE = graph_pb2.AttrValue()


def attribute(node: graph_pb2.NodeDef, name: str) -> graph_pb2.AttrValue:
    """One attribute, empty where the node has none; `attr[name]` would give the node an empty one."""
    value: graph_pb2.AttrValue = node.attr.get(name, _NO_ATTRIBUTE)
    return value


def shape_of(tensor: Tensor) -> Shape | None:
    """The shape that TensorFlow inferred when it exported the graph; None where it wrote none down."""
    shapes = attribute(tensor.node, "_output_shapes").list.shape
    if tensor.index >= len(shapes) or shapes[tensor.index].unknown_rank:
        return None
    return tuple(dim.size if dim.size >= 0 else None for dim in shapes[tensor.index].dim)
