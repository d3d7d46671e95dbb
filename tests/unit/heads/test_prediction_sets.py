"""Prediction sets: scores worked by hand, the random part, and what may be a set at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats

from headwise.errors import InvalidCardError
from headwise.heads import PredictionSet
from headwise.heads.prediction_sets import Score, conformity, uniforms

SCORES: tuple[Score, ...] = ("lac", "aps", "raps")
SHARES = arrays(np.float64, (5, 4), elements=st.floats(0, 1))
ROWS = np.random.default_rng(0).dirichlet(np.ones(6), 20_000)


def test_lac_is_what_the_class_lacks() -> None:
    np.testing.assert_array_equal(conformity(np.array([[0.5, 0.25, 0.25]]), "lac"), [[0.5, 0.75, 0.75]])


def test_aps_sums_the_likelier_classes_and_a_part_of_its_own_with_ties_by_index() -> None:
    row = np.array([[0.25, 0.5, 0.25]])
    part = uniforms(row, seed=3)[0]

    np.testing.assert_allclose(
        conformity(row, "aps", seed=3), [[0.5 + part * 0.25, part * 0.5, 0.75 + part * 0.25]], rtol=1e-15
    )


def test_raps_charges_each_place_beyond_the_free_ones() -> None:
    row = np.array([[0.1, 0.6, 0.3]])

    charged = conformity(row, "raps", penalty=0.2, free=1) - conformity(row, "aps")

    np.testing.assert_allclose(charged, [[0.4, 0.0, 0.2]], atol=1e-15)


def test_a_set_holds_the_classes_up_to_the_quantile_and_may_be_empty() -> None:
    found = PredictionSet("lac", 0.9, {"0.9": 0.5, "0.5": 0.2})
    rows = np.array([[0.5, 0.5], [0.9, 0.1], [0.51, 0.49]])

    assert found.contains(rows, 0.9).tolist() == [[True, True], [True, False], [True, False]]
    assert found.contains(rows, 0.5).tolist() == [[False, False], [True, False], [False, False]]


def test_a_class_may_have_a_quantile_of_its_own() -> None:
    found = PredictionSet("lac", 0.9, {"0.9": [0.4, 0.9]})  # type: ignore[dict-item]

    assert found.contains(np.array([[0.5, 0.5], [0.7, 0.3]]), 0.9).tolist() == [[False, True], [True, True]]
    assert found.per_class == {2}
    assert hash(found.quantiles["0.9"]), "a list is frozen"


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_the_random_part_is_uniform_over_distinct_rows(seed: int) -> None:
    assert stats.kstest(uniforms(ROWS, seed), "uniform").pvalue > 1e-3
    assert uniforms(ROWS, seed).max() < 1


def test_the_random_parts_of_two_seeds_and_of_a_row_and_its_probabilities_are_independent() -> None:
    one, other = uniforms(ROWS, 0), uniforms(ROWS, 1)

    for second in (other, ROWS.max(axis=1), ROWS[:, 0], np.roll(one, 1)):
        assert stats.spearmanr(one, second).pvalue > 1e-3
    table = np.histogram2d(one, other, bins=10, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(table.ravel()).pvalue > 1e-3


def test_the_order_of_the_classes_changes_the_random_part() -> None:
    assert (uniforms(ROWS, 0) != uniforms(np.ascontiguousarray(ROWS[:, ::-1]), 0)).all()


def test_zeros_of_both_signs_are_one_row_and_so_are_rows_alike_in_float32() -> None:
    row = np.array([[0.0, 0.3, 0.7]])

    np.testing.assert_array_equal(uniforms(row, 0), uniforms(np.array([[-0.0, 0.3, 0.7]]), 0))
    np.testing.assert_array_equal(uniforms(row, 0), uniforms(np.nextafter(row, 1) * (row > 0), 0))


@given(SHARES, st.sampled_from(SCORES), st.integers(0, 2**63 - 1))
def test_a_row_scores_alone_as_it_does_in_a_batch_and_in_any_memory(
    rows: NDArray[np.float64], score: Score, seed: int
) -> None:
    whole = conformity(rows, score, penalty=0.01, free=1, seed=seed)

    for at in range(len(rows)):
        assert conformity(rows[at : at + 1], score, penalty=0.01, free=1, seed=seed).tobytes() == whole[at].tobytes()
    assert conformity(np.asfortranarray(rows), score, penalty=0.01, free=1, seed=seed).tobytes() == whole.tobytes()


@given(SHARES, st.sampled_from(SCORES), st.integers(0, 100), st.floats(0, 1.5))
def test_a_set_lies_between_what_is_in_it_always_and_what_ever_is(
    rows: NDArray[np.float64], score: Score, seed: int, quantile: float
) -> None:
    found = PredictionSet(score, 0.9, {"0.9": quantile}, seed=seed)
    always, ever = found.bounds(rows, 0.9)
    inside = found.contains(rows, 0.9)

    assert not (always & ~inside).any()
    assert not (inside & ~ever).any()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"score": "top"}, "score is 'top': it must be one of lac, aps, raps"),
        ({"coverage": 0.8}, "coverage is 0.8: there are quantiles for '0.9'"),
        ({"quantiles": {}}, "give at least one by its coverage"),
        ({"quantiles": [0.5]}, "give at least one by its coverage"),
        ({"quantiles": {"90": 0.5}}, "quantiles names '90': it must be a coverage between 0 and 1"),
        ({"quantiles": {"most": 0.5}}, "quantiles names 'most'"),
        ({"quantiles": {0.9: 0.5}}, "quantiles names 0.9"),
        ({"quantiles": {"0.9": 0.5, "0.90": 0.5}}, "quantiles names the coverage 0.9 more than once"),
        ({"quantiles": {"0.9": float("inf")}}, "quantile of '0.9' is inf: it must be a finite number"),
        ({"quantiles": {"0.9": (0.5, -0.1)}}, "is (0.5, -0.1): it must be 0 or more"),
        ({"quantiles": {"0.9": ()}}, "one for all classes or one a class"),
        ({"quantiles": {"0.9": "0.5"}}, "quantile of '0.9' is '0.5'"),
        ({"quantiles": {"0.9": True}}, "quantile of '0.9' is True"),
        ({"coverage": "0.9"}, "coverage is '0.9': it must be a finite number"),
        ({"score": "raps", "penalty": -1.0}, "penalty is -1.0: it must be from 0 to 1e+06"),
        ({"score": "raps", "penalty": float("nan")}, "penalty is nan: it must be a finite number"),
        ({"score": "raps", "penalty": 1e308}, "penalty is 1e+308"),
        ({"score": "raps", "free": -1}, "free is -1: it must be a whole number from 0"),
        ({"score": "raps", "free": 1.5}, "free is 1.5"),
        ({"penalty": 0.1}, "only raps has them, and score is 'lac'"),
        ({"score": "aps", "free": 2}, "only raps has them, and score is 'aps'"),
        ({"seed": -1}, "seed is -1: it must be a whole number from 0"),
        ({"seed": 2**63}, "seed is 9223372036854775808"),
    ],
)
def test_what_is_no_prediction_set_is_refused(fields: dict[str, Any], text: str) -> None:
    whole: dict[str, Any] = {"score": "lac", "coverage": 0.9, "quantiles": {"0.9": 0.5}}
    with pytest.raises(InvalidCardError) as caught:
        PredictionSet(**whole | fields)

    assert text in str(caught.value)
