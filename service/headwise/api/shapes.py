"""A tensor of a request: its elements, and the shape that the request declares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.errors import InvalidTensorError

MOST_AXES = 64
"""numpy's own limit."""


def elements(place: str, values: Sequence[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The values of a message's field, flat; texts as objects.

    Raises: InvalidTensorError naming the place, for whole numbers that do not fit.
    """
    if dtype.kind == "O":
        texts = np.empty(len(values), dtype=object)
        texts[:] = list(values)
        return texts
    if dtype.kind in "iu" and len(values):
        limits = np.iinfo(dtype)
        if min(values) < limits.min or max(values) > limits.max:
            raise InvalidTensorError(f"{place} holds {min(values)} to {max(values)}: {dtype} cannot")
    return np.array(values, dtype=dtype)


def reshaped(place: str, flat: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """The elements in their shape.

    Raises: InvalidTensorError naming the place.
    """
    if len(shape) > MOST_AXES:
        raise InvalidTensorError(f"{place} has {len(shape)} axes: {MOST_AXES} are the most")
    if any(size < 0 for size in shape):
        raise InvalidTensorError(f"{place} has the shape {list(shape)}: sizes cannot be negative")
    if math.prod(shape) != flat.size:
        raise InvalidTensorError(
            f"{place} holds {flat.size} elements: the shape {list(shape)} takes {math.prod(shape)}"
        )
    try:
        return flat.reshape(tuple(shape))
    except ValueError as error:
        raise InvalidTensorError(f"{place} cannot have the shape {list(shape)}: {error}") from error
