"""Prediction sets: the classes that a row does not rule out at a coverage, by split conformal prediction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from headwise.errors import InvalidCardError
from headwise.heads.links import Float64
from headwise.heads.parameters import LIMIT, finite, numbers, share, whole, within

Score = Literal["lac", "aps", "raps"]
"""How little a class conforms to a row.

lac: 1 - p (Sadinle, Lei, Wasserman 2019). aps: the probability of all likelier classes and a random part of its own
(Romano, Sesia, Candes 2020). raps: aps and a penalty for each place beyond the first `free` (Angelopoulos, Bates,
Malik, Jordan 2021).
"""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_LAST_SHIFT = np.uint64(31)


@dataclass(frozen=True, slots=True)
class PredictionSet:
    """The classes whose nonconformity is at most the quantile of a coverage.

    quantiles: by coverage, one for all classes or a list with one a class (class-conditional). coverage: the one
    that holds unless a request chooses another. penalty, free: raps only. seed: of the random part of aps and raps.
    A set may be empty: lac rules every class out where all probabilities are small, aps and raps by their random part.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}

    score: Score
    coverage: float
    quantiles: Mapping[str, float | tuple[float, ...]]
    penalty: float = 0.0
    free: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.score not in get_args(Score):
            raise InvalidCardError(f"score is {self.score!r}: it must be one of {', '.join(get_args(Score))}")
        object.__setattr__(self, "quantiles", _checked(self.quantiles))
        object.__setattr__(self, "coverage", share("coverage", self.coverage))
        if self.coverage not in self.coverages:
            raise InvalidCardError(
                f"coverage is {self.coverage}: there are quantiles for {', '.join(map(repr, self.quantiles))}"
            )
        object.__setattr__(self, "penalty", finite("penalty", self.penalty))
        within("penalty", self.penalty, 0 <= self.penalty <= LIMIT, f"from 0 to {LIMIT:g}")
        object.__setattr__(self, "free", whole("free", self.free, 0))
        object.__setattr__(self, "seed", whole("seed", self.seed, 0, 2**63 - 1))
        if self.score != "raps" and (self.penalty or self.free):
            raise InvalidCardError(f"penalty and free are given: only raps has them, and score is {self.score!r}")

    @property
    def coverages(self) -> tuple[float, ...]:
        """What a request may choose."""
        return tuple(map(float, self.quantiles))

    @property
    def per_class(self) -> frozenset[int]:
        """The lengths of the lists of quantiles; empty where all classes share one."""
        return frozenset(len(quantile) for quantile in self.quantiles.values() if isinstance(quantile, tuple))

    def contains(self, probabilities: Float64, coverage: float) -> NDArray[np.bool_]:
        """Which classes are in the set (rows, classes); coverage is one of `coverages`."""
        scores = conformity(probabilities, self.score, penalty=self.penalty, free=self.free, seed=self.seed)
        return scores <= self._quantile(coverage)

    def bounds(self, probabilities: Float64, coverage: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """The classes (rows, classes) that are in the set whatever its random part, and those that are for some."""
        if self.score == "lac":
            certain = self.contains(probabilities, coverage)
            return certain, certain
        most, least = (
            _accumulated(
                np.ascontiguousarray(probabilities), np.full(len(probabilities), part), self.penalty, self.free
            )
            <= self._quantile(coverage)
            for part in (0.0, 1.0)
        )
        return least, most

    def _quantile(self, coverage: float) -> Float64:
        return np.asarray(next(q for key, q in self.quantiles.items() if float(key) == coverage), np.float64)


def conformity(probabilities: Float64, score: Score, *, penalty: float = 0.0, free: int = 0, seed: int = 0) -> Float64:
    """Nonconformity (rows, classes) of each class to its row; of equal probabilities the lower index comes first.

    The random part of aps and raps is drawn from the row itself, so that an answer can be repeated and never
    depends on its batch.
    """
    probabilities = np.ascontiguousarray(probabilities, np.float64)
    if score == "lac":
        return 1.0 - probabilities
    return _accumulated(probabilities, uniforms(probabilities, seed), penalty, free)


def uniforms(probabilities: Float64, seed: int) -> Float64:
    """A number in [0, 1) for each row, a hash of its probabilities (rows, classes) and the seed.

    Probabilities are hashed as float32: the same row keeps its number on a processor that rounds float64 otherwise.
    Any function of the row keeps the coverage, which only asks that all rows are scored alike.
    """
    # Adding zero makes -0.0, which equals 0.0, one with it.
    bits = (probabilities.astype(np.float32, order="C") + np.float32(0.0)).view(np.uint32).astype(np.uint64)
    places = np.arange(1, bits.shape[1] + 1, dtype=np.uint64) * _GOLDEN
    mixed = _splitmix(bits + places + _splitmix(np.array([seed], np.uint64)))
    drawn: Float64 = (_splitmix(mixed.sum(axis=1)) >> np.uint64(11)) * np.float64(2.0**-53)
    return drawn


def _accumulated(probabilities: Float64, parts: Float64, penalty: float, free: int) -> Float64:
    """The probability of all likelier classes, this part (rows,) of its own, and the penalty of its place."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    falling = np.take_along_axis(probabilities, order, axis=1)
    likelier = np.zeros_like(falling)
    np.cumsum(falling[:, :-1], axis=1, out=likelier[:, 1:])
    scores = likelier + parts[:, np.newaxis] * falling
    if penalty:
        scores += penalty * np.maximum(np.arange(1, falling.shape[1] + 1) - free, 0)
    unsorted = np.empty_like(scores)
    np.put_along_axis(unsorted, order, scores, axis=1)
    return unsorted


def _splitmix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The mixing function of splitmix64 (Steele, Lea, Flood 2014); unsigned integers wrap around."""
    state = state + _GOLDEN
    for shift, factor in _MIX:
        state = (state ^ (state >> shift)) * factor
    return state ^ (state >> _LAST_SHIFT)


def _checked(quantiles: object) -> dict[str, float | tuple[float, ...]]:
    """Quantiles by coverage, as plain numbers."""
    if not isinstance(quantiles, Mapping) or not quantiles:
        raise InvalidCardError(
            f'quantiles is {quantiles!r}: give at least one by its coverage, such as {{"0.9": 0.83}}'
        )
    found: dict[str, float | tuple[float, ...]] = {}
    seen: set[float] = set()
    for key, quantile in quantiles.items():
        try:
            coverage = float(key) if isinstance(key, str) else math.nan
        except ValueError:
            coverage = math.nan
        if not 0 < coverage < 1:
            raise InvalidCardError(f'quantiles names {key!r}: it must be a coverage between 0 and 1, such as "0.9"')
        if coverage in seen:
            raise InvalidCardError(f"quantiles names the coverage {coverage} more than once")
        seen.add(coverage)
        name = f"quantile of {key!r}"
        several = isinstance(quantile, list | tuple | np.ndarray)
        values = numbers(name, quantile) if several else (finite(name, quantile),)
        within(name, quantile, bool(values) and min(values) >= 0, "0 or more, one for all classes or one a class")
        found[key] = values if several else values[0]
    return found
