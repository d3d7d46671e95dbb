"""The largest of each row: what a stable sort of the whole row would begin with."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from headwise.heads.decisions.ranking import largest

SIZES = [(1, 10), (40, 2), (300, 10), (7, 1000), (3, 2049), (2, 9999), (2, 20001), (1, 100_000), (0, 10), (0, 5000)]
COUNTS = [1, 2, 5, 16, 17, 300, 10**6]


def _varied(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    return rng.normal(size=shape)


def _tied(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    return np.round(rng.normal(size=shape), 1)


def _equal(_: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    return np.zeros(shape)


def _impossible(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Most are -inf: fewer are left than are asked for."""
    return np.where(rng.uniform(size=shape) < 3 / shape[1], rng.normal(size=shape), -np.inf)


def _rising(_: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """The largest are neighbours, in the last columns."""
    return np.broadcast_to(np.arange(shape[1], dtype=np.float64) // 2, shape)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("fill", [_varied, _tied, _equal, _impossible, _rising])
def test_the_largest_are_what_a_stable_sort_begins_with(fill: object, shape: tuple[int, int], count: int) -> None:
    assert callable(fill)
    rows = fill(np.random.default_rng(7), shape)

    found = largest(rows, count)

    assert found.dtype == np.int64
    assert np.array_equal(found, np.argsort(-rows, axis=1, kind="stable")[:, :count])


@pytest.mark.parametrize("columns", [40, 5000])
def test_rows_of_every_kind_share_a_batch(columns: int) -> None:
    rng = np.random.default_rng(7)
    rows = np.concatenate([fill(rng, (3, columns)) for fill in (_varied, _tied, _equal, _impossible, _rising)])

    together = largest(rows, 5)

    assert np.array_equal(together, np.concatenate([largest(row[np.newaxis], 5) for row in rows]))
    assert np.array_equal(together, largest(np.asfortranarray(rows), 5))


def test_what_is_ranked_is_left_as_it_was() -> None:
    rows = np.random.default_rng(7).normal(size=(100, 10))
    before = rows.copy()

    largest(rows, 3)

    assert np.array_equal(rows, before)
