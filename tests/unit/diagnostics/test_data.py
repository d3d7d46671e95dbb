"""What is read from targets and from raw output."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from headwise.diagnostics.data import Raw, Targets, observe
from headwise.heads.contract import CONTRADICTION


def targets(given: object) -> Targets:
    found = observe(targets=given).targets  # type: ignore[arg-type]
    assert found is not None
    return found


def raw(given: object) -> Raw:
    found = observe(given).raw  # type: ignore[arg-type]
    assert found is not None
    return found


def test_class_indices() -> None:
    found = targets([0, 3, 1, 3])

    assert found == Targets((4,), 0.0, 3.0, 3, integers=True, zero_one=False, one_hot=False)
    assert found.columns == 1


@pytest.mark.parametrize(
    ("given", "integers", "zero_one", "one_hot"),
    [
        ([0, 1, 1], True, True, False),
        ([[0], [1]], True, True, False),
        ([[0, 1], [1, 0]], True, True, True),
        ([[0, 1], [1, 1]], True, True, False),
        ([[0.0, 0.0], [1.0, 0.0]], True, True, False),
        ([[0.3, 0.7]], False, False, False),
        ([True, False], True, True, False),
        ([12.5, 3.0], False, False, False),
        ([np.nan, 1.0], False, False, False),
    ],
)
def test_kinds_of_targets(given: object, integers: bool, zero_one: bool, one_hot: bool) -> None:
    found = targets(given)

    assert (found.integers, found.zero_one, found.one_hot) == (integers, zero_one, one_hot)


@pytest.mark.parametrize("nothing", [[], np.empty((0, 3)), 1.0])
def test_nothing_says_nothing(nothing: object) -> None:
    assert observe(nothing, nothing).raw is None  # type: ignore[arg-type]
    assert observe(nothing, nothing).targets is None  # type: ignore[arg-type]


def test_what_is_no_array_of_numbers_is_an_error() -> None:
    with pytest.raises(ValueError, match="could not convert"):
        observe(targets=["cat", "dog"])


def test_a_vector_is_one_unit_and_positions_are_rows() -> None:
    assert (raw([0.1, 0.2]).rows, raw([0.1, 0.2]).units, raw([0.1, 0.2]).axes) == (2, 1, 2)
    tagged = raw(np.full((4, 5, 3), 1 / 3))
    assert (tagged.rows, tagged.units, tagged.axes, tagged.simplex) == (20, 3, 3, 1.0)


@given(arrays.arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(2, 5)), elements=st.floats(-50, 50)))
def test_softmax_rows_are_a_simplex_and_log_softmax_rows_are_one_in_exponentials(z: np.ndarray) -> None:
    z = z - z.max(axis=1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)

    assert raw(p).simplex == raw(p).unit_interval == 1
    assert raw(p).row_sum_error < 1e-9
    assert raw(z - np.log(np.exp(z).sum(axis=1, keepdims=True))).exp_sum_error < 1e-9


def test_shares_of_rows() -> None:
    found = raw([[0.4, 0.6], [0.9, 0.9], [-1.0, 2.0], [1.0, 0.0]])

    assert (found.simplex, found.unit_interval, found.ends, found.only_ends) == (0.5, 0.75, 0.25, 0.25)
    assert (found.low, found.high) == (-1.0, 2.0)
    assert found.row_sum_error == pytest.approx(0.8)


def test_a_probability_of_zero_is_the_end_only_for_one_unit() -> None:
    assert raw([[0.0], [0.5], [1.0]]).ends == pytest.approx(2 / 3)
    assert raw([[0.0, 0.9], [0.5, 0.4]]).ends == 0


def test_a_row_that_keeps_a_small_number_is_not_only_ends() -> None:
    found = raw([[1e-9, 1.0], [0.0, 1.0]])

    assert (found.ends, found.only_ends) == (1.0, 0.5)


def test_broken_rows() -> None:
    impossible = [[np.nan, 1.0], [np.inf, 1.0], [-np.inf, -np.inf]]

    assert raw([*impossible, [-np.inf, 0.0]]).broken == 3
    assert (raw([*impossible, [2.0, 3.0]]).low, raw([[np.nan, 2.0]]).high) == (1.0, 2.0)


def test_constant_units() -> None:
    assert raw([[1.0, 2.0], [1.0, 3.0]]).constant == (0,)
    assert raw([[np.nan, 2.0], [np.nan, 2.0]]).constant == (1,)


def test_the_sum_of_a_pair_against_its_difference() -> None:
    z = np.random.default_rng(0).normal(size=(50, 1))

    assert raw(z * [-1, 1]).pair_sum == pytest.approx(0, abs=1e-12)
    assert raw(z * [0, 1]).pair_sum == pytest.approx(1)
    assert raw(z * [1, 1]).pair_sum is None
    assert raw(z * [1, 1, 1]).pair_sum is None


def test_there_is_room_beyond_a_range_as_in_a_heads_contract() -> None:
    assert raw(np.ones((2, 1), np.float16)).room == 4 * np.finfo(np.float16).eps
    assert raw([[1]]).room == CONTRADICTION
