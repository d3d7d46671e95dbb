"""Keras's activations by the names and classes that its configurations use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headwise.savedmodel.detected import LINEAR, UNKNOWN
from headwise.savedmodel.keras.serialised import is_keras, items, mapping, text

FUNCTIONS: Mapping[str, str] = {
    **{
        name: name
        for name in [
            "linear",
            "celu",
            "elu",
            "exponential",
            "gelu",
            "glu",
            "hard_shrink",
            "hard_sigmoid",
            "hard_silu",
            "hard_tanh",
            "leaky_relu",
            "log_sigmoid",
            "log_softmax",
            "mish",
            "relu",
            "relu6",
            "selu",
            "sigmoid",
            "silu",
            "soft_shrink",
            "softmax",
            "softplus",
            "softsign",
            "sparse_plus",
            "sparse_sigmoid",
            "sparsemax",
            "squareplus",
            "tanh",
            "tanh_shrink",
            "threshold",
        ]
    },
    "hard_swish": "hard_silu",
    "swish": "silu",
}
"""Names of keras.activations, to the one that is reported."""

ROW_WISE = frozenset({"glu", "log_softmax", "softmax", "sparsemax"})
"""They look at the last axis as a whole: half a row of a softmax is none."""

OPS: Mapping[str, str] = {
    "Celu": "celu",
    "Elu": "elu",
    "Exp": "exponential",
    "Gelu": "gelu",
    "HardSigmoid": "hard_sigmoid",
    "HardSilu": "hard_silu",
    "HardTanh": "hard_tanh",
    "LeakyRelu": "leaky_relu",
    "LogSigmoid": "log_sigmoid",
    "LogSoftmax": "log_softmax",
    "Relu": "relu",
    "Relu6": "relu6",
    "Selu": "selu",
    "Sigmoid": "sigmoid",
    "Silu": "silu",
    "Softmax": "softmax",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
}
"""Classes of keras.ops that are activations."""


def activation_of(config: Mapping[str, Any]) -> str:
    """The `activation` in a layer's configuration: a name, a layer, or UNKNOWN for a function of the user's."""
    given = config.get("activation")
    if given is None:
        return LINEAR
    if isinstance(given, str):
        return FUNCTIONS.get(given, UNKNOWN)
    said = mapping(given)
    name = text(said.get("class_name"))
    # An Activation as an activation names another one in turn: Keras writes none, and it could go on without end.
    if not is_keras(said) or name not in LAYERS or name == "Activation":
        return UNKNOWN
    inner = mapping(said.get("config"))
    return LAYERS[name](inner) if is_over_last_axis(inner, None) else UNKNOWN


def _relu(config: Mapping[str, Any]) -> str:
    if config.get("negative_slope"):
        return "leaky_relu"
    return "relu6" if config.get("max_value") == 6 and not config.get("threshold") else "relu"


LAYERS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "Activation": activation_of,
    "ELU": lambda _: "elu",
    "LeakyReLU": lambda _: "leaky_relu",
    "PReLU": lambda _: "prelu",
    "ReLU": _relu,
    "Softmax": lambda _: "softmax",
    "ThresholdedReLU": lambda _: "relu",
}
"""Layers that are nothing but an activation."""


def is_over_last_axis(config: Mapping[str, Any], rank: int | None) -> bool:
    """Whether the `axis` of a softmax is the last one; true where the configuration has none."""
    axis = config.get("axis", -1)
    if items(axis):
        (axis, *more) = items(axis)
        if more:
            return False
    return axis == -1 or (rank is not None and axis == rank - 1)
