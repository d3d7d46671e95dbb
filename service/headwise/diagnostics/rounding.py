"""How far one model's numbers may lie apart on two machines, and which decisions stand whatever the rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.heads import Activation, Head, Prediction
from headwise.heads.links import Float64, log_softmax


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Numbers are alike within absolute + relative * |expected|."""

    absolute: float
    relative: float

    def of(self, expected: NDArray[Any]) -> Float64:
        """How far a number may lie from each expected one; infinities have no room."""
        size = np.abs(np.asarray(expected, np.float64))
        return self.absolute + self.relative * np.where(np.isfinite(size), size, 0.0)


TOLERANCES: Mapping[str, Tolerance] = {
    "float64": Tolerance(1e-3, 1e-2),
    "float32": Tolerance(1e-3, 1e-2),
    "float16": Tolerance(1e-2, 2e-2),
    "bfloat16": Tolerance(5e-2, 5e-2),
}
"""By dtype of an output. Other dtypes (labels, class numbers) must agree exactly.

Kernels for other processors and batch sizes sum in another order: about 1e-6 in float32. But a GPU may multiply
float32 with the 10 bits of TF32, and what says float32 or float64 at its end may have been float16 before: each
product is off by up to 2**-11, a deep network's output by some times that. Another model, other weights or another
preprocessing are off by far more on at least one of several records.
"""

_BOUNDED: Mapping[Activation, Callable[[Float64], Float64]] = {
    "linear": lambda raw: raw,
    "sigmoid": lambda raw: np.clip(raw, 0.0, 1.0),
    "softmax": lambda raw: np.clip(raw, 0.0, 1.0) / np.clip(raw, 0.0, 1.0).sum(axis=-1, keepdims=True),
    "log_softmax": log_softmax,
    "tanh": lambda raw: np.clip(raw, -1.0, 1.0),
}
"""Brings numbers that were moved back to what an activation can give."""


def tolerance(output: NDArray[Any], dtype: str | None = None) -> Tolerance:
    """The tolerance of an output; dtype where its array does not have it (bfloat16 is read as float32)."""
    return TOLERANCES.get(dtype or output.dtype.name, Tolerance(0.0, 0.0))


def standing(head: Head, output: NDArray[Any], dtype: str | None = None) -> NDArray[np.bool_]:
    """Which decisions for an output (batch, *positions, units) no rounding within its tolerance flips.

    Shaped as the decisions: (batch, *positions), multilabel (batch, *positions, labels).

    Raises: HeadMismatchError if the output contradicts the head.
    """
    answer = head.answer(output)
    decided = decision(answer)
    if decided is None:
        return np.ones(output.shape, np.bool_)
    stands = np.ones(decided.shape, np.bool_)
    for moved in _moved(head, answer, output, tolerance(output, dtype)):
        stands &= decision(head.answer(moved)) == decided
    return stands


def decision(answer: Prediction) -> NDArray[Any] | None:
    """Indices (batch, *positions), for multilabel decisions (batch, *positions, labels); None for regression."""
    return answer.indices if answer.decisions is None else answer.decisions


def _moved(head: Head, answer: Prediction, output: NDArray[Any], allowed: Tolerance) -> Iterator[Float64]:
    """The output as far as rounding can push it: towards the rival class, or up and down where each unit is cut."""
    raw = np.asarray(output, np.float64)
    raw = raw[:, np.newaxis] if raw.ndim == 1 else raw
    room = allowed.of(raw)
    exclusive = head.task == "multiclass" or (head.task == "binary" and raw.shape[-1] > 1)
    if exclusive and answer.indices is not None and answer.probabilities is not None:
        pushes: tuple[Float64, ...] = (_towards_rival(answer.indices, answer.probabilities, room),)
    else:
        pushes = (room, -room)
    for push in pushes:
        yield _BOUNDED[head.activation](raw + push)


def _towards_rival(indices: NDArray[np.int64], probabilities: Float64, room: Float64) -> Float64:
    """Takes its room from the answered class and gives it to the likeliest other one."""
    won = indices[..., np.newaxis]
    others = probabilities.copy()
    np.put_along_axis(others, won, -1.0, axis=-1)
    rival = others.argmax(axis=-1)[..., np.newaxis]
    push = np.zeros_like(room)
    np.put_along_axis(push, won, -np.take_along_axis(room, won, axis=-1), axis=-1)
    np.put_along_axis(push, rival, np.take_along_axis(room, rival, axis=-1), axis=-1)
    return push
