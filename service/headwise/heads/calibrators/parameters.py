"""What a parameter of a calibrator may be: plain Python floats, told by name where they cannot be."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from headwise.errors import InvalidCardError

LIMIT = 1e6
"""Largest slope and intercept of a class: beyond it all logits of a row could overflow together."""

NO_SWAP = "a negative one would swap the labels"


def finite(name: str, value: object) -> float:
    """Raises: InvalidCardError unless it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
        raise InvalidCardError(f"{name} is {value!r}: it must be a finite number")
    if not math.isfinite(value):
        raise InvalidCardError(f"{name} is {value}: it must be a finite number")
    return float(value)


def within(name: str, value: object, fits: bool, expected: str) -> None:
    """Raises: InvalidCardError unless it fits."""
    if not fits:
        raise InvalidCardError(f"{name} is {value}: it must be {expected}")


def numbers(name: str, values: object) -> tuple[float, ...]:
    """Raises: InvalidCardError unless they are a list of finite numbers."""
    if isinstance(values, str) or not isinstance(values, Iterable):
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
