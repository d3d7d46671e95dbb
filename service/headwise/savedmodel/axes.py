"""What the ops that only move numbers do to the last axis, the one that a softmax normalises."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from headwise.savedmodel.graph import Graph, Tensor, attribute
from headwise.savedmodel.signature import Shape
from headwise.tfserving import tensor_pb2

Keeps = Callable[[Graph, Tensor, Shape | None, Shape | None], bool]
"""(graph, op's output, shape that it reads, shape that it gives) -> whether each row of the last axis arrives whole."""

_INTEGERS = {tensor_pb2.DT_INT32: "<i4", tensor_pb2.DT_INT64: "<i8"}
_MOST_AXES = 32


def never(*_: object) -> bool:
    """Numbers of several rows may meet in one."""
    return False


def same_size(_graph: Graph, _tensor: Tensor, before: Shape | None, after: Shape | None) -> bool:
    """Numbers stay in their order, so rows of the same length are the same rows."""
    if not before or not after:
        return False
    return before[-1] is not None and before[-1] == after[-1]


def drops_axis_of_one(before: Shape | None, after: Shape | None) -> bool:
    """(batch, 1) became (batch,): rows of one unit."""
    return before is not None and after is not None and len(before) == 2 and before[-1] == len(after) == 1


def transposed(graph: Graph, tensor: Tensor, before: Shape | None, _after: Shape | None) -> bool:
    """The last axis stays the last."""
    order = integers(graph, graph.input(tensor, 1))
    if before is None or order is None:
        return False
    return len(order) == len(before) and order[-1] == len(before) - 1


def indexed(graph: Graph, tensor: Tensor, before: Shape | None, after: Shape | None) -> bool:
    """x[:, 1] takes one entry of the last axis, and what is left may have its size by chance."""
    if not before or not same_size(graph, tensor, before, after):
        return False
    begin = integers(graph, graph.input(tensor, 1))
    if begin is None:
        return False
    ellipsis, new, one = (attribute(tensor.node, f"{name}_mask").i for name in ("ellipsis", "new_axis", "shrink_axis"))
    axes = [entry for entry in range(len(begin)) if not (ellipsis | new) >> entry & 1]
    if not ellipsis and len(axes) < len(before):
        return True
    final = len(begin) - 1
    return bool(ellipsis >> final & 1) or not (new | one) >> final & 1


def unstacked(graph: Graph, tensor: Tensor, before: Shape | None, after: Shape | None) -> bool:
    """Unpack drops the axis that it goes along."""
    return (
        before is not None
        and not is_last(attribute(tensor.node, "axis").i, len(before))
        and same_size(graph, tensor, before, after)
    )


def joined(graph: Graph, tensor: Tensor, after: Shape | None) -> bool:
    """Concatenation and stacking keep rows whole along any axis but the last."""
    if not after:
        return False
    if tensor.node.op == "Pack":
        return not is_last(attribute(tensor.node, "axis").i, len(after))
    axis = integers(graph, graph.input(tensor, 0 if tensor.node.op == "Concat" else -1))
    return axis is not None and len(axis) == 1 and not is_last(axis[0], len(after))


def is_last(axis: int, rank: int) -> bool:
    """Say whether the axis, counted from either end, is the last; one that does not exist counts as it."""
    return not -rank <= axis < rank or axis % rank == rank - 1


def integers(graph: Graph, tensor: Tensor) -> list[int] | None:
    """The few integers of a constant; None where the graph computes them.

    Raises: UntraceableError.
    """
    while tensor.node.op == "Identity":
        tensor = graph.input(tensor, 0)
    proto = attribute(tensor.node, "value").tensor
    count = math.prod(dim.size for dim in proto.tensor_shape.dim)
    if tensor.node.op != "Const" or proto.dtype not in _INTEGERS or not 0 < count <= _MOST_AXES:
        return None
    if proto.tensor_content:
        packed = np.dtype(_INTEGERS[proto.dtype])
        fits = len(proto.tensor_content) == count * packed.itemsize
        return [int(value) for value in np.frombuffer(proto.tensor_content, packed)] if fits else None
    values: list[int] = list(proto.int_val or proto.int64_val)[:count] or [0]
    padded: list[int] = values + values[-1:] * (count - len(values))
    return padded
