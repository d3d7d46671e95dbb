"""Reads serialised tf.Examples in the graph: the feature of an input's name becomes that input.

Import it after `require_tensorflow`, as formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from headwise.errors import UnsupportedError
from headwise.savedmodel.signature import NUMPY_DTYPES, Signature, TensorSpec

Tensor = Any

READ_EXAMPLES = frozenset({"tensorflow/serving/classify", "tensorflow/serving/regress"})
"""Methods of signatures that take serialised tf.Examples already."""

_CARRIED: Mapping[str, Any] = {"f": tf.float32, "i": tf.int64, "u": tf.int64, "b": tf.int64, "O": tf.string}
"""Kind of an input's dtype: what a tf.Example carries it as."""


def example_reader(signature: Signature) -> Callable[[Tensor], dict[str, Tensor]]:
    """A function from serialised examples (batch,) to the signature's inputs.

    Examples with a missing or longer feature, or an integer that the input's dtype cannot hold, fail the call.

    Raises: UnsupportedError, saying which input tf.Examples cannot carry.
    """
    if signature.method_name in READ_EXAMPLES and set(signature.inputs) == {"inputs"}:
        return lambda serialized: {"inputs": serialized}
    features = {name: _feature(name, spec, signature) for name, spec in signature.inputs.items()}

    def read(serialized: Tensor) -> dict[str, Tensor]:
        parsed = tf.io.parse_example(serialized, features)
        return {name: _cast(name, parsed[name], spec) for name, spec in signature.inputs.items()}

    return read


def _feature(name: str, spec: TensorSpec, signature: Signature) -> Any:
    dtype = NUMPY_DTYPES.get(spec.dtype)
    if dtype is None or dtype.kind not in _CARRIED or spec.dtype == "bfloat16":
        raise UnsupportedError(f"input {name!r} is {spec}: tf.Examples do not carry {spec.dtype}")
    if name in signature.defaults:
        raise UnsupportedError(f"input {name!r} has a default, which may be left out of tf.Examples for some rows only")
    if not spec.shape or None in spec.shape[1:]:
        raise UnsupportedError(
            f"input {name!r} is {spec}: tf.Examples carry flat numbers, and only a row of one fixed shape can be made "
            "of them"
        )
    return tf.io.FixedLenFeature(spec.shape[1:], _CARRIED[dtype.kind])


def _cast(name: str, values: Tensor, spec: TensorSpec) -> Tensor:
    wanted = tf.as_dtype(spec.dtype)
    if wanted.is_integer or wanted.is_bool:
        low, high = (0, 1) if wanted.is_bool else (wanted.min, min(wanted.max, np.iinfo(np.int64).max))
        tf.debugging.Assert(
            tf.reduce_all((values >= low) & (values <= high)),
            [f"feature {name!r} holds a number that {spec.dtype} cannot hold: it goes from {low} to {high}"],
        )
    return values if values.dtype == wanted else tf.cast(values, wanted)
