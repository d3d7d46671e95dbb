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

    Shaped as the decisions: (batch, *positions), multilabel (batch, *positions, labels). To abstain is a decision too.

    Raises: HeadMismatchError if the output contradicts the head.
    """
    answer = head.answer(output)
    decided = decision(answer)
    if decided is None:
        return np.ones(output.shape, np.bool_)
    stands = np.logical_and(np.ones(decided.shape, np.bool_), _settled(answer))
    for moved in _moved(head, answer, output, tolerance(output, dtype)):
        other = head.answer(moved)
        stands &= (decision(other) == decided) & _settled(other)
    return stands


def decision(answer: Prediction) -> NDArray[Any] | None:
    """Indices (batch, *positions), for multilabel decisions (batch, *positions, labels); None for regression."""
    return answer.indices if answer.decisions is None else answer.decisions


def _settled(answer: Prediction) -> NDArray[np.bool_] | np.bool_:
    """Where abstention by a prediction set does not hang on the set's random part, which any rounding draws anew."""
    applied, probabilities = answer.applied, answer.probabilities
    if applied.abstain is None or not applied.abstain.set:
        return np.True_
    assert applied.prediction_set is not None
    assert applied.coverage is not None
    assert probabilities is not None
    rows = probabilities.reshape(-1, probabilities.shape[-1])
    least, most = (found.sum(axis=1) for found in applied.prediction_set.bounds(rows, applied.coverage))
    settled = (most == 0) | (least >= 2) | ((least == 1) & (most == 1))
    return np.asarray(settled.reshape(probabilities.shape[:-1]))


def _moved(head: Head, answer: Prediction, output: NDArray[Any], allowed: Tolerance) -> Iterator[Float64]:
    """The output as far as rounding can push it, in each way that could change the decision."""
    raw = np.asarray(output, np.float64)
    raw = raw[:, np.newaxis] if raw.ndim == 1 else raw
    room = allowed.of(raw)
    for direction in _directions(head, answer, raw):
        yield _BOUNDED[head.activation](raw + direction * room)


def _directions(head: Head, answer: Prediction, raw: Float64) -> Iterator[Float64]:
    """Signs in the shape of the output: towards the rival class, or up and down where each unit is cut."""
    applied, probabilities = answer.applied, answer.probabilities
    exclusive = head.task == "multiclass" or (head.task == "binary" and raw.shape[-1] > 1)
    if answer.indices is None or probabilities is None or not (exclusive or head.task == "ordinal"):
        yield from (np.ones_like(raw), -np.ones_like(raw))
        return
    won = np.where(answer.indices < 0, probabilities.argmax(axis=-1), answer.indices)[..., np.newaxis]
    if not exclusive:
        yield from (np.ones_like(raw), -np.ones_like(raw))
        if applied.abstain is not None or applied.cost is not None:
            # Steps before the answered class up and those behind it down is what makes it most probable.
            towards = np.where(np.arange(raw.shape[-1]) < won, 1.0, -1.0)
            yield from (towards, -towards)
        return
    yield _towards_rival(won, probabilities)
    if applied.abstain is not None:
        alone = np.where(np.arange(raw.shape[-1]) == won, 1.0, -1.0)
        yield from (alone, -alone)
    if applied.cost is not None:
        yield from _towards_costlier(applied.cost.matrix, probabilities)


def _towards_rival(won: NDArray[np.int64], probabilities: Float64) -> Float64:
    """Takes from the answered class (batch, *positions, 1) and gives to the likeliest other one."""
    others = probabilities.copy()
    np.put_along_axis(others, won, -1.0, axis=-1)
    push = np.zeros_like(probabilities)
    np.put_along_axis(push, won, -1.0, axis=-1)
    np.put_along_axis(push, others.argmax(axis=-1)[..., np.newaxis], 1.0, axis=-1)
    return push


def _towards_costlier(costs: Float64, probabilities: Float64) -> Iterator[Float64]:
    """Gives to classes for which the second cheapest answer costs less; then makes the cheapest dearer and cheaper."""
    expected = probabilities @ costs
    cheapest, second = np.moveaxis(np.argsort(expected, axis=-1, kind="stable")[..., :2], -1, 0)
    yield np.sign(costs.T[cheapest] - costs.T[second])
    dearer = np.sign(costs.T[cheapest] - np.take_along_axis(expected, cheapest[..., np.newaxis], axis=-1))
    yield from (dearer, -dearer)
