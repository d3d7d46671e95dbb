"""Finds the last dense layer of a signature's output in its graph: features @ kernel + bias, then an activation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.errors import UnsupportedError
from headwise.heads import Activation

_ACTIVATIONS: Mapping[str, Activation] = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}
_ADDITIONS = frozenset({"BiasAdd", "AddV2", "Add"})
_SAME = frozenset({"Identity", "StopGradient", "PreventGradient"})


@dataclass(frozen=True, slots=True)
class AffineHead:
    """activation of (features @ kernel + bias). features: a tensor's name. kernel: (features, units);
    bias: (units,), None where there is none. kernel_from: the node that stores the kernel.
    """

    features: str
    kernel: NDArray[Any]
    bias: NDArray[Any] | None
    activation: Activation
    kernel_from: str = ""

    @property
    def units(self) -> int:
        return int(self.kernel.shape[1])


class InlinedGraph:
    """A graph without calls, whose variables are placeholders with known values.

    graph_def: a GraphDef. values: what the placeholders stand for, by node name.
    """

    def __init__(self, graph_def: Any, values: Mapping[str, NDArray[Any]]) -> None:
        self._nodes = {node.name: node for node in graph_def.node}
        self._values = values

    def made_by(self, tensor: str) -> str:
        """The tensor that `tensor` is a copy of, free of what only orders the run."""
        node = self._node(tensor)
        while node.op in _SAME:
            tensor = node.input[0]
            node = self._node(tensor)
        return tensor if ":" in tensor else f"{tensor}:0"

    def head(self, output: str) -> AffineHead:
        """The dense layer behind an output.

        Raises: UnsupportedError, naming the op that is none of a dense layer's.
        """
        node = self._node(self.made_by(output))
        activation: Activation = "linear"
        if node.op in _ACTIVATIONS:
            activation = _ACTIVATIONS[node.op]
            node = self._node(self.made_by(node.input[0]))
        bias = None
        if node.op in _ADDITIONS:
            node, bias = self._added(node)
        if node.op != "MatMul" or node.attr["transpose_a"].b:
            raise _refused(node)
        kernel = self._constant(node.input[1])
        if kernel is None or kernel.ndim != 2:
            raise UnsupportedError(f"the kernel of {node.name} is computed: only one that is stored can be rewritten")
        if node.attr["transpose_b"].b:
            kernel = kernel.T
        if bias is not None and bias.size != kernel.shape[1]:
            raise UnsupportedError(f"the bias of {node.name} has {bias.size} numbers for {kernel.shape[1]} units")
        features = self.made_by(node.input[0])
        bias = None if bias is None else bias.reshape(-1)
        return AffineHead(features, kernel, bias, activation, self._stored_in(node.input[1]))

    def reached(self, tensors: list[str]) -> set[str]:
        """The nodes that must run for these tensors."""
        found: set[str] = set()
        waiting = [_node_name(tensor) for tensor in tensors]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(map(_node_name, self._nodes[name].input))
        return found

    def check_changes_nothing(self) -> None:
        """Raises: UnsupportedError if a run assigns variables, for that would be lost."""
        for node in self._nodes.values():
            if node.op.startswith("Assign"):
                raise UnsupportedError(f"the signature assigns a variable while it runs ({node.name}): {node.op}")

    def _added(self, node: Any) -> tuple[Any, NDArray[Any]]:
        """Of a sum, the summand that is computed, and the one that is stored."""
        for computed, stored in ((0, 1), (1, 0)):
            bias = self._constant(node.input[stored])
            if bias is not None:
                return self._node(self.made_by(node.input[computed])), bias
        raise _refused(self._node(self.made_by(node.input[0])))

    def _constant(self, tensor: str) -> NDArray[Any] | None:
        """The value of a stored tensor; None for a computed one."""
        from tensorflow import make_ndarray  # noqa: PLC0415

        node = self._nodes[self._stored_in(tensor)]
        if node.op == "Const":
            array: NDArray[Any] = make_ndarray(node.attr["value"].tensor)
            return array
        return self._values.get(node.name)

    def _stored_in(self, tensor: str) -> str:
        """The node behind reads and copies."""
        node = self._node(self.made_by(tensor))
        while node.op == "ReadVariableOp":
            node = self._node(self.made_by(node.input[0]))
        return str(node.name)

    def _node(self, tensor: str) -> Any:
        return self._nodes[_node_name(tensor)]


def _refused(node: Any) -> UnsupportedError:
    return UnsupportedError(
        f"the head is made by {node.op} ({node.name}): only a dense layer on (batch, features) can be rewritten, "
        f"which is MatMul with a stored kernel and bias, then {', '.join(_ACTIVATIONS)} or nothing"
    )


def _node_name(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]


def one_unit(head: AffineHead) -> AffineHead:
    """One logit unit that says what two units say: sigmoid(z1 - z0) is softmax(z)[1].

    Raises: UnsupportedError if the head is no softmax, log_softmax or linear layer of two units.
    """
    if head.units != 2 or head.activation == "sigmoid":
        raise UnsupportedError(f"{_kind(head)}: --to one-unit takes two softmax units, or two linear ones")
    difference = np.array([[-1.0], [1.0]])
    return _linear_map(head, difference, "linear")


def two_units(head: AffineHead) -> AffineHead:
    """Two softmax units that say what one logit unit says: softmax([0, z])[1] is sigmoid(z).

    Raises: UnsupportedError if the head is no sigmoid or linear layer of one unit.
    """
    if head.units != 1 or head.activation not in ("linear", "sigmoid"):
        raise UnsupportedError(f"{_kind(head)}: --to two-unit takes one sigmoid unit, or one linear one")
    beside_zero = np.array([[0.0, 1.0]])
    return _linear_map(head, beside_zero, "softmax")


def _linear_map(head: AffineHead, columns: NDArray[np.float64], activation: Activation) -> AffineHead:
    """Kernel and bias times a matrix (units, new units), in float64, rounded once."""
    bias = None if head.bias is None else (head.bias.astype(np.float64) @ columns).astype(head.bias.dtype)
    kernel = (head.kernel.astype(np.float64) @ columns).astype(head.kernel.dtype)
    return AffineHead(head.features, kernel, bias, activation)


def _kind(head: AffineHead) -> str:
    return f"the head is {head.units} {head.activation} {'unit' if head.units == 1 else 'units'}"
