"""What a number of a card may be: plain Python numbers, told by name where they cannot be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from itertools import pairwise

import numpy as np

from headwise.errors import InvalidCardError

LIMIT = 1e6
"""Largest slope and intercept of a class: beyond it all logits of a row could overflow together."""

MOST = 2**31 - 1
"""Largest count: what the gRPC surface can tell."""

NO_SWAP = "a negative one would swap the labels"


def number(name: str, value: object) -> float:
    """Raises: InvalidCardError unless it is a number; one that float64 cannot hold is infinite, as in JSON."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
        raise InvalidCardError(f"{name} is {value!r}: it must be a finite number")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def finite(name: str, value: object) -> float:
    """Raises: InvalidCardError unless it is a finite number."""
    read = number(name, value)
    within(name, read, math.isfinite(read), "a finite number")
    return read


def share(name: str, value: object) -> float:
    """Raises: InvalidCardError unless it is a number between 0 and 1, both excluded."""
    read = number(name, value)
    if not 0 < read < 1:
        raise InvalidCardError(f"{name} is {value}: it must lie between 0 and 1, both excluded")
    return read


def whole(name: str, value: object, least: int, most: int = MOST) -> int:
    """Raises: InvalidCardError unless it is a whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise InvalidCardError(f"{name} is {value!r}: it must be a whole number from {least} to {most}")
    return int(value)


def within(name: str, value: object, fits: bool, expected: str) -> None:
    """Raises: InvalidCardError unless it fits."""
    if not fits:
        raise InvalidCardError(f"{name} is {value}: it must be {expected}")


def numbers(name: str, values: object) -> tuple[float, ...]:
    """Raises: InvalidCardError unless they are a list of finite numbers."""
    if isinstance(values, str | Set | Mapping) or not isinstance(values, Iterable):
        raise InvalidCardError(f"{name} is {values!r}: it must be a list of numbers")
    return tuple(finite(f"{name}[{at}]", value) for at, value in enumerate(values))


def require_rising(name: str, values: tuple[float, ...], *, strictly: bool) -> None:
    """Raises: InvalidCardError at the first number that is below the one before it (or is the same)."""
    for at, (before, after) in enumerate(pairwise(values), 1):
        if after < before or (strictly and after == before):
            rule = "above" if strictly else "not below"
            raise InvalidCardError(f"{name}[{at}] is {after}: it must be {rule} the one before it, {before}")


def require_count(name: str, values: tuple[object, ...], expected: int, why: str) -> None:
    """Raises: InvalidCardError unless there are as many as expected."""
    if len(values) != expected:
        raise InvalidCardError(f"{name} has {len(values)} entries: it must have {expected}, {why}")
