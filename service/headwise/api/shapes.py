"""A flat tensor of a request in the shape that the request declares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from headwise.errors import InvalidTensorError

MOST_AXES = 64
"""numpy's own limit."""


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
