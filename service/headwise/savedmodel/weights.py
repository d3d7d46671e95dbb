"""Tells the result of a linear layer from other arithmetic: a weighted sum with weights that no input changes."""

from __future__ import annotations

from enum import Enum

from headwise.savedmodel import ops
from headwise.savedmodel.graph import Graph, Tensor, attribute
from headwise.savedmodel.signature import dtype_name

_MOST_NODES = 200
"""Weights are read, cast, scaled, transposed: a formula of more nodes is no weight that one would recognise."""


class Weights(Enum):
    """Where numbers that depend on no input come from."""

    LITERAL = "literal"
    LEARNED = "learned"


def weights(graph: Graph, tensor: Tensor) -> Weights | None:
    """Say whether all that a tensor is computed from are variables and constants; None if not.

    Raises: UntraceableError.
    """
    found = None
    pending = [tensor]
    for _ in range(_MOST_NODES):
        if not pending:
            return found
        at = pending.pop()
        if at.node.op in ops.VARIABLES:
            found = Weights.LEARNED
        elif at.node.op in ops.LITERALS:
            found = found or Weights.LITERAL
        elif graph.is_call(at.node):
            pending.append(graph.entered(at))
        elif inputs := graph.inputs(at):
            pending.extend(inputs)
        else:
            return None
    return None


def is_weighted_sum(graph: Graph, tensor: Tensor) -> bool:
    """Say whether a tensor is what a linear layer gives, before any activation.

    Raises: UntraceableError.
    """
    pending = [tensor]
    while pending:
        at = pending.pop()
        if at.node.op in ops.SUMS:
            pending.extend(_summands(graph, at))
        elif at.node.op in ops.PRODUCTS:
            if not _is_layer(graph, at):
                return False
        elif at.node.op in ("Mul", "RealDiv"):
            if not _is_dequantised(graph, at):
                return False
        elif (source := moved(graph, at)) is not None:
            pending.append(source)
        else:
            return False
    return True


def moved(graph: Graph, tensor: Tensor) -> Tensor | None:
    """The tensor whose numbers this one passes on, unchanged or in another order; None if it makes its own.

    Raises: UntraceableError.
    """
    op = tensor.node.op
    if graph.is_call(tensor.node):
        return graph.entered(tensor)
    if tensor.index and op not in ops.SEVERAL_OUTPUTS:
        return None
    if op == "Cast" and not _casts_floats(tensor):
        return None
    if op in ops.UNCHANGED:
        return graph.input(tensor, tensor.index if op == "IdentityN" else 0)
    if op in ops.MOVES:
        return graph.input(tensor, 1 if op == "Split" else 0)
    return None


def source(graph: Graph, tensor: Tensor) -> Tensor:
    """Follow a tensor to the op that made its numbers.

    Raises: UntraceableError.
    """
    while (below := moved(graph, tensor)) is not None:
        tensor = below
    return tensor


def _summands(graph: Graph, tensor: Tensor) -> list[Tensor]:
    """What must be weighted sums for this to be one: all that is no bias."""
    left, right = graph.input(tensor, 0), graph.input(tensor, 1)
    if weights(graph, right) is not None:
        return [left]
    return [right] if weights(graph, left) is not None else [left, right]


def _is_layer(graph: Graph, tensor: Tensor) -> bool:
    """A literal matrix after a sigmoid or softmax is none: it may average or regroup probabilities."""
    of, by = ops.PRODUCTS[tensor.node.op]
    summed, factors = graph.input(tensor, of), graph.input(tensor, by)
    kind = weights(graph, factors)
    if kind is None and tensor.node.op in ops.MATRIX_PRODUCTS:
        summed, factors = factors, summed
        kind = weights(graph, factors)
    if kind is Weights.LITERAL:
        return source(graph, summed).node.op not in ("Sigmoid", "Softmax")
    return kind is not None


def _is_dequantised(graph: Graph, tensor: Tensor) -> bool:
    """Integers, summed by integer weights, and divided or multiplied by their scale."""
    numerator, scale = graph.input(tensor, 0), graph.input(tensor, 1)
    if tensor.node.op == "Mul" and weights(graph, scale) is None:
        return False
    cast = source(graph, numerator)
    if cast.node.op != "Cast":
        return False
    product = graph.input(cast, 0)
    return product.node.op in ops.PRODUCTS and _is_layer(graph, product)


def _casts_floats(tensor: Tensor) -> bool:
    """Say whether a Cast goes from one floating dtype to another."""
    return all("float" in dtype_name(attribute(tensor.node, side).type) for side in ("SrcT", "DstT"))
