"""Signatures and heads that requests are read by."""

from __future__ import annotations

from headwise.heads import Head
from headwise.savedmodel import Signature, TensorSpec

SIGNATURES = tuple(
    Signature({name: TensorSpec(dtype, shape) for name, (dtype, shape) in inputs.items()}, {})
    for inputs in (
        {"x": ("float32", (None, 2))},
        {"x": ("float32", (None, 3)), "n": ("int64", (None, 1))},
        {"x": ("string", (None,))},
        {"x": ("uint8", (None, 2, 2))},
        {"x": ("float16", None)},
        {"x": ("bool", (None, None))},
        {"x": ("int8", (2,)), "n": ("uint64", ())},
        {"x": ("complex64", (None,)), "n": ("bfloat16", (None,))},
        {"x": ("float64", (None, None, 1))},
    )
)
HEADS = (
    {"output_0": (Head("binary", "linear", ("no", "yes")), 1)},
    {"output_0": (Head("multiclass", "softmax", ("a", "b", "c")), 3)},
    {"output_0": (Head("multilabel", "sigmoid", ("a", "b")), 2), "value": (Head("regression", "linear"), 1)},
    {"output_0": (Head("ordinal", "linear", ("low", "middle", "high"), "cumulative"), 2)},
    {"output_0": (Head("binary", "tanh", ("no", "yes")), 1)},
)
"""Heads by name, each with the units of its output."""
