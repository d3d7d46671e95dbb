"""Isotonic regression against scikit-learn's, Venn-Abers against its definition."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from sklearn.isotonic import IsotonicRegression

from headwise.calibration.fitting.steps import isotonic, tied, venn_abers, with_a_positive
from headwise.calibration.samples import Samples
from headwise.errors import CalibrationError
from headwise.heads.links import Float64
from headwise.heads.scores import Form
from support.logits import drawn

ROWS = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=14).filter(
    lambda rows: len({on for _, on in rows}) == 2
)


def samples_of(rows: list[tuple[int, bool]]) -> Samples:
    logits, on = zip(*rows, strict=True)
    return Samples(np.array(logits, np.float64)[:, np.newaxis], np.array(on, np.int64), Form.BINARY, 2)


def positive(calibrator: object, logits: Float64) -> Float64:
    p = calibrator.scores(logits.reshape(-1, 1), Form.BINARY).probabilities  # type: ignore[attr-defined]
    return np.asarray(p)[:, 1]


def blocks(values: Float64) -> list[int]:
    return np.flatnonzero(np.diff(values)).tolist()


@given(ROWS)
def test_blocks_are_those_of_scikit_learn_or_of_several(rows: list[tuple[int, bool]]) -> None:
    samples = samples_of(rows)
    knots = np.unique(samples.logits)
    peer = IsotonicRegression(out_of_bounds="clip").fit(samples.logits[:, 0], samples.targets).predict(knots)
    ours = positive(isotonic(samples), knots)
    assert set(blocks(ours)) <= set(np.flatnonzero(np.diff(peer) > 1e-12).tolist())
    assert (np.diff(ours) >= 0).all()
    assert ours.min() > 0
    assert ours.max() < 1


def test_blocks_are_those_of_scikit_learn_where_none_falls_after_shrinking() -> None:
    samples = drawn(Form.BINARY, rows=1000)
    z, y = samples.logits[:, 0], samples.targets
    peer = IsotonicRegression(out_of_bounds="clip").fit(z, y).predict(z)
    rate, expected = y.mean(), np.empty(len(z))
    for value in np.unique(peer):
        block = peer == value
        expected[block] = (y[block].sum() + rate) / (block.sum() + 1)
    order = np.argsort(z)
    _, counts = np.unique(peer, return_counts=True)
    weights = np.array([counts[np.searchsorted(np.unique(peer), value)] for value in peer])
    pooled = isotonic_regression(expected[order], weights=(weights + 1)[order] / weights[order]).x
    np.testing.assert_allclose(positive(isotonic(samples), z[order]), pooled, rtol=1e-12)
    kept = np.isclose(positive(isotonic(samples), z), expected, rtol=1e-12)
    assert kept.mean() > 0.9


def test_a_block_begins_half_way_after_the_one_before() -> None:
    found = isotonic(samples_of([(-2, False), (0, False), (1, True), (3, True)]))
    assert found.cuts == (0.5,)
    assert found.probabilities == pytest.approx((0.5 / 3, 2.5 / 3))


def test_neighbouring_floats_are_told_apart() -> None:
    low = 1.0
    high = np.nextafter(low, 2.0)
    samples = Samples(np.array([[low], [high]]), np.array([0, 1]), Form.BINARY, 2)
    assert isotonic(samples).cuts == (high,)


def by_definition(samples: Samples, logit: float) -> list[float]:
    """Isotonic regression of the rows and one more, taken as negative and as positive."""
    found = []
    for label in (0, 1):
        _, at = np.unique(np.append(samples.logits[:, 0], logit), return_inverse=True)
        counts = np.bincount(at).astype(np.float64)
        hits = np.bincount(at, np.append(samples.targets, label))
        found.append(float(isotonic_regression(hits / counts, weights=counts).x[at[-1]]))
    return found


@given(ROWS)
def test_venn_abers_is_as_defined_at_between_and_beyond_all_rows(rows: list[tuple[int, bool]]) -> None:
    samples = samples_of(rows)
    logits = np.arange(-5, 5.5, 0.5)
    scores = venn_abers(samples).scores(logits[:, np.newaxis], Form.BINARY)
    assert scores.interval is not None
    expected = np.array([by_definition(samples, logit) for logit in logits])
    np.testing.assert_allclose(scores.interval[:, 0], expected, atol=1e-9)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=9))
def test_an_added_positive_is_exact_in_fractions(knots: list[tuple[int, int]]) -> None:
    counts = [count for count, _ in knots]
    hits = [min(count, hit) for count, hit in knots]
    found = with_a_positive(np.array(counts, np.float64), np.array(hits, np.float64))
    assert found.tolist() == [float(_max_min(counts, hits, at)) for at in range(len(knots))]


def _max_min(counts: list[int], hits: list[int], at: int) -> Fraction:
    """The max-min formula of isotonic regression, with one positive row more at a knot."""
    return max(
        min(
            Fraction(sum(hits[start : end + 1]) + 1, sum(counts[start : end + 1]) + 1) for end in range(at, len(counts))
        )
        for start in range(at + 1)
    )


def test_ties_are_one_knot() -> None:
    found = tied(samples_of([(1, True), (0, False), (1, False), (1, True)]))
    columns: list[NDArray[np.float64]] = [found.logits, found.counts, found.positives]
    assert [column.tolist() for column in columns] == [[0, 1], [1, 3], [0, 2]]


@pytest.mark.parametrize("fit", [isotonic, venn_abers])
def test_one_class_says_nothing(fit: object) -> None:
    with pytest.raises(CalibrationError, match="two classes"):
        fit(Samples(np.arange(5.0)[:, np.newaxis], np.ones(5, np.int64), Form.BINARY, 2))  # type: ignore[operator]
