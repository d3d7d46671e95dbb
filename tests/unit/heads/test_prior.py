"""The prior correction: Bayes' rule over each form, its neutral case, and what a card may not say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from headwise.errors import InvalidCardError
from headwise.heads import Head, Isotonic, Prior, Temperature, VennAbers
from headwise.heads.decisions import above
from headwise.heads.links import Float64
from headwise.heads.scores import FROM_LOGITS, FROM_PROBABILITIES, Form, Scores, Space

THREE = np.random.default_rng(5).normal(scale=4, size=(30, 3))
EVERY = sorted(Form)
TWO = Prior((0.5, 0.5), (0.9, 0.1))
CLASSES = Prior((0.2, 0.3, 0.5), (0.6, 0.3, 0.1))
FOUR = Prior((0.25, 0.25, 0.4, 0.1), (0.1, 0.2, 0.3, 0.4))


def prior_of(form: Form) -> Prior:
    return {Form.BINARY: TWO, Form.CUMULATIVE: FOUR, Form.CONDITIONAL: FOUR}.get(form, CLASSES)


def logits_of(form: Form) -> Float64:
    return THREE[:, :1] if form is Form.BINARY else THREE


def bayes(p: Float64, prior: Prior) -> Float64:
    weighted = p * np.array(prior.target) / np.array(prior.source)
    shares: Float64 = weighted / weighted.sum(axis=1, keepdims=True)
    return shares


def plain(scores: Scores) -> Float64:
    assert scores.probabilities is not None
    return scores.probabilities


@pytest.mark.parametrize("table", [FROM_LOGITS, FROM_PROBABILITIES])
@pytest.mark.parametrize("form", EVERY)
def test_probabilities_are_those_of_bayes_rule(form: Form, table: Any) -> None:
    z, prior = logits_of(form), prior_of(form)
    given_scores = table[form](z if table is FROM_LOGITS else special.expit(z))
    if form is Form.MULTICLASS and table is FROM_PROBABILITIES:
        given_scores = table[form](special.softmax(z, axis=1))

    corrected = prior.scores(given_scores, form)

    if form is Form.MULTILABEL:
        p, target, source = plain(given_scores), np.array(prior.target), np.array(prior.source)
        on, off = p * target / source, (1 - p) * (1 - target) / (1 - source)
        expected = on / (on + off)
    else:
        expected = bayes(plain(given_scores), prior)
    np.testing.assert_allclose(plain(corrected), expected, rtol=1e-12, atol=1e-15)
    assert corrected.evidence.shape == given_scores.evidence.shape


@pytest.mark.parametrize("form", [Form.CUMULATIVE, Form.CONDITIONAL])
def test_ordinal_steps_stay_in_order_and_belong_to_the_classes(form: Form) -> None:
    corrected = FOUR.scores(FROM_LOGITS[form](THREE), form)

    assert (np.diff(corrected.evidence, axis=1) <= 0).all()
    exceed = plain(corrected)[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    np.testing.assert_allclose(corrected.evidence, exceed, rtol=1e-14)


@pytest.mark.parametrize("form", EVERY)
def test_the_same_prior_changes_not_a_bit(form: Form) -> None:
    source = prior_of(form).source
    scores = FROM_LOGITS[form](logits_of(form))

    assert Prior(source, source).scores(scores, form) is scores


@pytest.mark.parametrize("form", EVERY)
def test_a_prior_and_its_reverse_undo_each_other(form: Form) -> None:
    prior, scores = prior_of(form), FROM_LOGITS[form](logits_of(form))

    back = Prior(prior.target, prior.source).scores(prior.scores(scores, form), form)

    np.testing.assert_allclose(plain(back), plain(scores), rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("table", [FROM_LOGITS, FROM_PROBABILITIES])
@pytest.mark.parametrize("form", EVERY)
def test_a_row_is_corrected_as_it_would_be_alone(form: Form, table: Any) -> None:
    z, prior = logits_of(form), prior_of(form)
    rows = table[form](z if table is FROM_LOGITS else special.expit(z))
    whole = prior.scores(rows, form)

    for at in range(len(z)):
        one = Scores(rows.evidence[at : at + 1], rows.space, plain(rows)[at : at + 1])
        alone = prior.scores(one, form)
        assert plain(alone).tobytes() == plain(whole)[at : at + 1].tobytes()
        assert alone.evidence.tobytes() == whole.evidence[at : at + 1].tobytes()


@settings(max_examples=20)
@given(z=st.floats(-1e30, 1e30) | st.floats(-40, 40), target=st.floats(1e-9, 1 - 1e-9))
def test_a_binary_logit_stays_one_and_moves_by_the_odds(z: float, target: float) -> None:
    prior = Prior((0.7, 0.3), (1 - target, target))

    corrected = prior.scores(FROM_LOGITS[Form.BINARY](np.array([[z]])), Form.BINARY)

    assert corrected.space is Space.LOGIT
    shift = special.logit(target) - special.logit(0.3)
    assert corrected.evidence[0, 0] == pytest.approx(z + shift, rel=1e-12, abs=1e-6)
    np.testing.assert_allclose(plain(corrected)[0], special.expit(corrected.evidence[0, 0] * np.array([-1, 1])))


def test_probabilities_that_are_certain_stay_certain() -> None:
    scores = FROM_PROBABILITIES[Form.BINARY](np.array([[0.0], [1.0]]))

    assert plain(TWO.scores(scores, Form.BINARY)).tolist() == [[1, 0], [0, 1]]


def test_a_row_of_zeros_stays_one() -> None:
    """What a head without `strict` may hand on."""
    scores = FROM_PROBABILITIES[Form.MULTICLASS](np.zeros((1, 3)))

    assert plain(CLASSES.scores(scores, Form.MULTICLASS)).tolist() == [[0, 0, 0]]


def test_a_step_function_is_cut_by_its_corrected_probability() -> None:
    scores = TWO.scores(Isotonic((0.0,), (0.3, 0.8)).scores(np.array([[-1.0], [1.0]]), Form.BINARY), Form.BINARY)
    exact = 0.8 * 0.2 / (0.8 * 0.2 + 0.2 * 1.8)

    assert plain(scores)[1].tolist() == pytest.approx([1 - exact, exact], rel=1e-15)
    at, after = float(plain(scores)[1, 1]), float(np.nextafter(plain(scores)[1, 1], 1))
    assert above(scores, (at,))[:, 0].tolist() == [False, True]
    assert above(scores, (after,))[:, 0].tolist() == [False, False]


def test_an_interval_moves_with_its_probability() -> None:
    scores = VennAbers((), (0.2,), (0.4,)).scores(np.zeros((3, 1)), Form.BINARY)

    interval = TWO.scores(scores, Form.BINARY).interval

    assert interval is not None
    assert interval.shape == (3, 1, 2)
    expected = [p * 0.2 / (p * 0.2 + (1 - p) * 1.8) for p in (0.2, 0.4)]
    np.testing.assert_allclose(interval, np.broadcast_to(expected, (3, 1, 2)), rtol=1e-15)


def test_a_margin_has_no_probability_to_correct() -> None:
    margin = Scores(np.array([[0.3]]), Space.MARGIN, None)

    assert TWO.scores(margin, Form.BINARY) is margin


def test_a_head_corrects_after_its_calibrator() -> None:
    head = Head("binary", "linear", ("no", "yes"), calibration=Temperature(2.0), prior=TWO)

    probabilities = head.predict([3.0]).probabilities

    assert probabilities is not None
    assert probabilities[0, 1] == pytest.approx(special.expit(1.5 + np.log(0.1 / 0.9)), rel=1e-14)


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        ((0.5, 0.5), (1.0, 0.0), r"target\[0\] is 1.0: it must be between 0 and 1, and not within 1e-12 of them"),
        ((0.5, -0.5), (0.5, 0.5), r"source\[1\] is -0.5: it must be between 0 and 1"),
        ((0.5, 0.5), (0.5,), "target has 1 entries: it must have 2, as source has"),
        ((0.5, float("nan")), (0.5, 0.5), r"source\[1\] is nan: it must be a finite number"),
        (0.5, (0.5, 0.5), "source is 0.5: it must be a list of numbers"),
    ],
)
def test_shares_that_cannot_be_are_refused(source: Any, target: Any, text: str) -> None:
    with pytest.raises(InvalidCardError, match=text):
        Prior(source, target)


def test_shares_must_fit_the_classes() -> None:
    TWO.require_fit(Form.BINARY, 2)
    Prior((0.5, 0.1, 0.9), (0.2, 0.2, 0.2)).require_fit(Form.MULTILABEL, 3)
    with pytest.raises(InvalidCardError, match="source has 2 entries: it must have 3, one for each class"):
        TWO.require_fit(Form.MULTICLASS, 3)
    with pytest.raises(InvalidCardError, match=r"target sums to 0\.6: the shares of all classes must sum to 1"):
        Prior((0.5, 0.5), (0.5, 0.1)).require_fit(Form.BINARY, 2)
