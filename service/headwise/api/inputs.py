"""Arrays of a request as the model's inputs: which input an unnamed one is for, and numbers in the input's own type."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.backends.base import Arrays
from headwise.errors import InvalidTensorError
from headwise.savedmodel import Signature
from headwise.savedmodel.signature import NUMPY_DTYPES

ONLY = ""
"""The name of an array that is for the only input."""


def fitted(arrays: Arrays, signature: Signature) -> Arrays:
    """The arrays by input name. Numbers may have another width than the input's, as in JSON they have none at all.

    Raises: InvalidTensorError naming the input.
    """
    if arrays.keys() == {ONLY}:
        if len(signature.inputs) != 1:
            names = ", ".join(map(repr, signature.inputs))
            raise InvalidTensorError(f"the model has the inputs {names}: send an array for each, by name")
        arrays = {next(iter(signature.inputs)): arrays[ONLY]}
    specs = signature.inputs
    return {name: _cast(name, of, specs[name].dtype) if name in specs else of for name, of in arrays.items()}


def _cast(name: str, array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """numpy makes float64 and int64 of what has no other type; other kinds stay, for the check to refuse."""
    wanted = NUMPY_DTYPES.get(dtype)
    if wanted is None or wanted == array.dtype:
        return array
    if wanted.kind in "iu" and array.dtype.kind in "iu":
        limits = np.iinfo(wanted.name)
        if array.size and not limits.min <= array.min() <= array.max() <= limits.max:
            raise InvalidTensorError(f"input {name!r} holds {array.min()} to {array.max()}: {dtype} cannot")
        return array.astype(wanted)
    if wanted.kind == "f" and array.dtype.kind in "fiu":
        with np.errstate(over="ignore", invalid="ignore"):
            return array.astype(wanted)
    return array
