"""Links and inverse links, against scipy and at the ends of their range."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import special

from headwise.heads import links

FLOAT_MAX = float(np.finfo(np.float64).max)
rows = arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.floats(-1e4, 1e4))


@given(rows)
def test_links_agree_with_scipy(z: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(links.sigmoid(z), special.expit(z), rtol=1e-14, atol=1e-300)
    np.testing.assert_allclose(links.softmax(z), special.softmax(z, axis=-1), rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(links.log_softmax(z), special.log_softmax(z, axis=-1), rtol=1e-13, atol=1e-15)


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_logit_agrees_with_scipy(p: float) -> None:
    assert links.logit(np.array([p]))[0] == pytest.approx(special.logit(p), rel=1e-14, abs=3e-16)


@given(st.floats(-30, 30))
def test_logit_is_the_inverse_of_sigmoid(z: float) -> None:
    """As far as p keeps z: near p = 1 the steps of p are wide."""
    assert links.logit(links.sigmoid(np.array([z])))[0] == pytest.approx(z, rel=1e-12, abs=1e-15 * np.exp(abs(z)))


def test_one_half_is_exactly_logit_zero() -> None:
    assert links.logit(np.array([0.5])).tolist() == [0.0]
    assert links.sigmoid(np.array([0.0])).tolist() == [0.5]


def test_nothing_overflows_at_the_ends() -> None:
    ends = np.array([[-FLOAT_MAX, -1e4, 1e4, FLOAT_MAX]])

    with np.errstate(all="raise", under="ignore"):
        assert links.sigmoid(ends).tolist() == [[0, 0, 1, 1]]
        assert links.softmax(np.array([[-1e4, 1e4]])).tolist() == [[0, 1]]
        assert links.log_softmax(np.array([[-1e4, 1e4]])).tolist() == [[-2e4, 0]]
        assert links.softmax(np.array([[1e4, 1e4]])).tolist() == [[0.5, 0.5]]


def test_a_class_may_be_impossible_where_another_is_not() -> None:
    impossible = np.array([[-np.inf, 2.0, 2.0]])

    with np.errstate(all="raise"):
        assert links.softmax(impossible).tolist() == [[0, 0.5, 0.5]]
        assert links.log_softmax(impossible)[0].tolist() == [-np.inf, np.log(0.5), np.log(0.5)]


@pytest.mark.parametrize(("dtype", "expected"), [("float16", 8.32), ("float32", 17.33), ("float64", 37.43)])
def test_a_saturated_probability_has_a_finite_logit_by_its_dtype(dtype: str, expected: float) -> None:
    logit = links.logit_of_probability(np.array([1.0]), np.dtype(dtype))[0]
    largest_below = np.nextafter(np.array(1, dtype), np.array(0, dtype)).astype(np.float64)

    assert round(float(logit), 2) == expected
    assert logit > links.logit_of_probability(np.array([largest_below]), np.dtype(dtype))[0]


def test_an_impossible_probability_counts_as_the_floor() -> None:
    floor = links.LOG_FLOOR

    assert floor == -60
    assert links.floored_log(np.array([0.0, 1e-300, 1.0])).tolist() == pytest.approx([floor, floor, 0])
    assert links.logit_of_probability(np.array([0.0]), np.dtype("float32"))[0] == pytest.approx(floor)


@given(st.floats(0, 1, width=32, exclude_max=True).filter(lambda p: p > 1e-25))
def test_the_logit_of_an_unsaturated_probability_is_its_logit(p: float) -> None:
    found = links.logit_of_probability(np.array([p]), np.dtype("float32"))[0]

    assert found == pytest.approx(special.logit(p), rel=1e-13, abs=1e-15)


@given(st.floats(-1, 1, width=32))
def test_the_logit_of_a_margin_is_odd_finite_and_two_artanh(margin: float) -> None:
    both = links.logit_of_tanh(np.array([margin, -margin]), np.dtype("float32"))

    assert np.isfinite(both).all()
    assert both[0] == -both[1]
    if abs(margin) < 0.999:
        assert both[0] == pytest.approx(2 * np.arctanh(margin), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("link", [links.sigmoid, links.softmax, links.log_softmax])
@pytest.mark.parametrize("shape", [(3, links._BLOCK - 1), (2, links._BLOCK + 5), (links._BLOCK // 7 + 3, 9), (0, 4)])
def test_rows_are_worked_on_in_blocks_and_none_tells(
    link: Callable[[NDArray[np.float64]], NDArray[np.float64]], shape: tuple[int, int]
) -> None:
    logits = np.random.default_rng(7).normal(scale=4, size=shape)

    whole = link(logits)

    assert whole.shape == shape
    assert whole.tobytes() == b"".join(link(row).tobytes() for row in logits)


@pytest.mark.parametrize("link", [links.sigmoid, links.softmax])
def test_a_big_batch_takes_little_more_than_its_answer(link: Callable[[NDArray[np.float64]], Any]) -> None:
    logits = np.random.default_rng(7).normal(size=(512, 1000))

    tracemalloc.start()
    link(logits)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 1.3 * logits.nbytes


def test_softmax_may_be_written_over_its_logits() -> None:
    logits = np.random.default_rng(7).normal(size=(40, 1000))
    expected = links.softmax(logits)

    assert links.softmax(logits, out=logits) is logits
    assert logits.tobytes() == expected.tobytes()


def test_the_formulas_are_kept_bit_for_bit() -> None:
    """As one expression over the whole array says them."""
    z = np.random.default_rng(7).normal(scale=6, size=(700, 97))
    z[:, 3] = -np.inf
    shifted = z - z.max(axis=1, keepdims=True)
    weights, tail = np.exp(shifted), np.exp(-np.abs(z))

    assert links.softmax(z).tobytes() == (weights / weights.sum(axis=1, keepdims=True)).tobytes()
    assert links.log_softmax(z).tobytes() == (shifted - np.log(weights.sum(axis=1, keepdims=True))).tobytes()
    assert links.sigmoid(z).tobytes() == (np.where(z >= 0, 1.0, tail) / (1.0 + tail)).tobytes()
