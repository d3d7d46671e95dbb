"""Writes a SavedModel anew with another last layer; what lies beneath stays, variables as variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headwise.errors import UnsupportedError
from headwise.training import resaving
from headwise.training.rewriting.affine_head import AffineHead, InlinedGraph
from headwise.training.run import require_tensorflow

Replace = Callable[[AffineHead], AffineHead]


@dataclass(frozen=True, slots=True)
class Replaced:
    """old: the head that was there. signatures: those that have the new one; the others stayed as they are."""

    old: AffineHead
    signatures: tuple[str, ...]


def replace_head(version: Path, draft: Path, signature_name: str, output: str, replace: Replace) -> Replaced:
    """Save the model of `version` in `draft` with the head of one output replaced.

    Other signatures whose output of that name is the same head get the new one too (Keras exports each model
    as `serve` and `serving_default`). What else they and other outputs compute stays. Functions that are no
    signature are left behind.

    Raises: UnsupportedError, saying what cannot be rewritten or kept; UnreadableModelError.
    """
    tf = require_tensorflow()
    loaded, signatures = resaving.load(version)
    trackables = tf.train.TrackableView(loaded).descendants()
    opened = {name: _Opened(tf, function, trackables) for name, function in signatures.items()}
    old = opened[signature_name].graph.head(opened[signature_name].outputs[output])
    same = tuple(
        name
        for name, other in opened.items()
        if name == signature_name or other.has(output, old, opened[signature_name])
    )
    module = _new_layer(tf, replace(old))
    # What a signature reads must belong to what is saved.
    module.kept = [_owned(other.captured_inputs, trackables) for name, other in signatures.items() if name not in same]
    module.beneath = []
    for name in same:
        signatures[name], owners = opened[name].with_layer(output, module)
        module.beneath += owners
    resaving.save(module, draft, signatures, version)
    return Replaced(old, same)


def _new_layer(tf: Any, head: AffineHead) -> Any:
    """A module that holds the new kernel and bias; `answer` takes features (rows, ...) to the output."""
    module = tf.Module()
    module.kernel = tf.Variable(head.kernel, name="kernel")
    module.bias = None if head.bias is None else tf.Variable(head.bias, name="bias")

    def answer(features: Any) -> Any:
        z = tf.linalg.matmul(features, module.kernel)
        if module.bias is not None:
            z = tf.nn.bias_add(z, module.bias)
        return tf.nn.softmax(z) if head.activation == "softmax" else z

    module.answer = answer
    return module


class _Opened:
    """A signature's function, inlined, with what it captures.

    outputs: the graph's tensors by output name.
    """

    def __init__(self, tf: Any, function: Any, trackables: Sequence[Any]) -> None:
        self._tf = tf
        self._function = function
        # The signature's names and the function's tensors are both in the order of the sorted names.
        self._inputs = sorted(function.structured_input_signature[1])
        self.outputs = dict(zip(sorted(function.structured_outputs), _names(function.outputs), strict=True))
        placeholders = function.inputs[len(self._inputs) :]
        self._captures = dict(zip(_names(placeholders), function.captured_inputs, strict=True))
        self._owners = {
            name: _owned([captured], trackables) for name, captured in self._captures.items() if _is_resource(captured)
        }
        self._graph_def = _inlined(function)
        self.graph = InlinedGraph(self._graph_def, self._values())

    def has(self, output: str, head: AffineHead, of: _Opened) -> bool:
        """Whether an output of this signature is the head of another one: the same variable, activated alike."""
        if output not in self.outputs:
            return False
        try:
            mine = self.graph.head(self.outputs[output])
        except UnsupportedError:
            return False
        kernels = [opened.owners(found.kernel_from) for opened, found in ((self, mine), (of, head))]
        return bool(kernels[0]) and kernels[0][0] is kernels[-1][0] and mine.activation == head.activation

    def with_layer(self, output: str, layer: Any) -> tuple[Any, list[Any]]:
        """The signature's function with a new last layer for one output, and the variables and tables it reads."""
        self.graph.check_changes_nothing()
        features = self.graph.head(self.outputs[output]).features
        others = {name: self.graph.made_by(tensor) for name, tensor in self.outputs.items() if name != output}
        fetched = [features, *others.values()]
        reached = self.graph.reached(fetched)
        captured = [name for name in self._captures if name.partition(":")[0] in reached]
        beneath = self._pruned([*_names(self._function.inputs[: len(self._inputs)]), *captured], fetched)
        owners = [self._owner(name) for name in captured if _is_resource(self._captures[name])]

        def served(**inputs: Any) -> dict[str, Any]:
            fed = [inputs[name] for name in self._inputs]
            found, *kept = beneath(*fed, *(self._captures[name] for name in captured))
            return {output: layer.answer(found), **dict(zip(others, kept, strict=True))}

        specs = self._function.structured_input_signature[1]
        return self._tf.function(served).get_concrete_function(**specs), owners

    def owners(self, node: str) -> list[Any]:
        """The variable or table behind a placeholder; none behind anything else."""
        return self._owners.get(f"{node}:0", [])

    def _pruned(self, feeds: list[str], fetches: list[str]) -> Any:
        """The part of the graph between these tensors, as a function."""
        tf = self._tf
        whole = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(self._graph_def, name=""), [])
        tensor = whole.graph.get_tensor_by_name
        return whole.prune([tensor(name) for name in feeds], [tensor(name) for name in fetches])

    def _owner(self, name: str) -> Any:
        if not self._owners[name]:
            raise UnsupportedError("the graph reads a resource that no variable or table of the model owns")
        return self._owners[name][0]

    def _values(self) -> dict[str, Any]:
        """Values of captured variables and constants, by the names of their placeholders."""
        values = {}
        for name, captured in self._captures.items():
            if not _is_resource(captured):
                values[name.partition(":")[0]] = captured.numpy()
            elif self._owners[name] and hasattr(self._owners[name][0], "read_value"):
                values[name.partition(":")[0]] = self._owners[name][0].numpy()
        return values


def _inlined(function: Any) -> Any:
    """The function's graph without calls, whose captures stay placeholders.

    TensorFlow offers this step publicly only together with freezing, which would turn every variable into a
    constant that the fingerprint does not see.
    """
    from tensorflow.python.framework import convert_to_constants  # noqa: PLC0415

    return convert_to_constants._run_inline_graph_optimization(  # noqa: SLF001
        function, lower_control_flow=False, aggressive_inlining=True
    )


def _names(tensors: Sequence[Any]) -> list[str]:
    return [tensor.name for tensor in tensors]


def _is_resource(tensor: Any) -> bool:
    return bool(tensor.dtype.name == "resource")


def _owned(captured: Sequence[Any], trackables: Sequence[Any]) -> list[Any]:
    """The variables and tables whose handles are captured."""
    handles = {id(handle) for handle in captured}
    return [each for each in trackables if id(_handle(each)) in handles]


def _handle(trackable: Any) -> Any:
    """A variable's or a table's; both may have the attribute of the other, without a handle behind it."""
    names = ("handle", "resource_handle")
    return next((handle for name in names if (handle := getattr(trackable, name, None)) is not None), None)
