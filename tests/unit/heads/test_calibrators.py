"""What every registered calibrator promises, whatever its parameters."""

from __future__ import annotations

import dataclasses
import json
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headwise.errors import InvalidCardError
from headwise.heads import CALIBRATORS, Head, HeadCard, SignatureHeads
from headwise.heads.calibrators import (
    AnyCalibrator,
    Beta,
    EachLabel,
    Identity,
    Isotonic,
    Platt,
    Temperature,
    TemperatureMixture,
    Vector,
    VennAbers,
)
from headwise.heads.decisions import above
from headwise.heads.links import sigmoid
from headwise.heads.scores import FROM_LOGITS, Form, Scores, Space
from headwise.repository.card_writer import card_json
from headwise.repository.cards import parse_card
from strategies.heads import STRATEGIES

CLASSES = 3
HEADS = {
    Form.BINARY: Head("binary", "linear", ("no", "yes")),
    Form.MULTICLASS: Head("multiclass", "linear", ("a", "b", "c")),
    Form.MULTILABEL: Head("multilabel", "linear", ("a", "b", "c")),
    Form.CUMULATIVE: Head("ordinal", "linear", ("a", "b", "c", "d")),
    Form.CONDITIONAL: Head("ordinal", "linear", ("a", "b", "c", "d"), encoding="conditional"),
}
ROWS_SUM_TO_ONE = frozenset(Form) - {Form.MULTILABEL}

NEUTRAL: dict[str, AnyCalibrator | None] = {
    "identity": Identity(),
    "temperature": Temperature(1.0),
    "temperature_mixture": TemperatureMixture(1.0, 0.0),
    "vector": Vector((1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
    "platt": Platt(1.0, 0.0),
    "beta": Beta(1.0, 1.0, 0.0),
    "isotonic": None,
    "venn_abers": None,
    "per_label": EachLabel((Platt(1.0, 0.0), Beta(1.0, 1.0, 0.0), TemperatureMixture(1.0, 0.0))),
}
"""The parameters that change nothing; None for a step function, which always does."""

EXAMPLES: dict[str, AnyCalibrator] = {
    "isotonic": Isotonic((0.0,), (0.2, 0.7)),
    "venn_abers": VennAbers((0.0,), (0.1, 0.2, 0.6), (0.3, 0.7, 0.8)),
    **{name: calibrator for name, calibrator in NEUTRAL.items() if calibrator is not None},
}

EVERY = [(name, form) for name, kind in CALIBRATORS.items() for form in sorted(kind.FORMS)]
MONOTONE = [(name, form) for name, form in EVERY if form in CALIBRATORS[name].MONOTONE]
CUT = [(name, form) for name, form in EVERY if form is not Form.MULTICLASS]
KEEPS_ARGMAX = [(name, form) for name, form in EVERY if form in CALIBRATORS[name].KEEPS_ARGMAX]


def card_of(form: Form, calibrator: AnyCalibrator) -> HeadCard:
    head = dataclasses.replace(HEADS[form], calibration=calibrator)
    return HeadCard(1, {"serving_default": SignatureHeads({"o": head})})


def width(form: Form) -> int:
    return 1 if form is Form.BINARY else CLASSES


def rows_of(form: Form, largest: float = 40.0) -> NDArray[np.float64]:
    """Ordinary logits, zeros, ties, neighbours, floors and the largest of both signs, mixed."""
    generator = np.random.default_rng(4)
    special = generator.choice([0.0, -60.0, 1.0, np.nextafter(1.0, 2.0), -1e-9, largest, -largest], (30, width(form)))
    ordinary = generator.normal(scale=9, size=(31, width(form)))
    neighbours = np.repeat(np.linspace(-4, -0.1, 25)[:, np.newaxis], width(form), axis=1)
    neighbours[:, -1] = np.nextafter(neighbours[:, -1], 0)
    return np.concatenate([special, ordinary, neighbours])


def probabilities(scores: Scores) -> NDArray[np.float64]:
    assert scores.probabilities is not None
    return scores.probabilities


def test_the_registry_the_card_and_these_tests_know_the_same_calibrators() -> None:
    members = get_args(get_args(AnyCalibrator)[0])

    assert set(CALIBRATORS.values()) == set(members)
    assert set(STRATEGIES) == set(NEUTRAL) == set(CALIBRATORS)


@pytest.mark.parametrize("name", CALIBRATORS)
@settings(max_examples=8)
@given(data=st.data())
def test_a_card_keeps_every_parameter_bit_for_bit(name: str, data: st.DataObject) -> None:
    calibrator = data.draw(STRATEGIES[name](CLASSES))

    read = parse_card(card_json(card_of(min(calibrator.FORMS), calibrator)))

    found = read.signatures["serving_default"].heads["o"].calibration
    assert found == calibrator
    assert repr(found) == repr(calibrator)
    assert calibrator.method == name
    assert calibrator.classes in (None, CLASSES)


@pytest.mark.parametrize(("name", "form"), EVERY)
@settings(max_examples=8)
@given(data=st.data())
def test_probabilities_are_finite_and_sum_to_one(name: str, form: Form, data: st.DataObject) -> None:
    calibrator, z = data.draw(STRATEGIES[name](CLASSES)), rows_of(form, largest=1e30)

    scores = calibrator.scores(z, form)

    p = probabilities(scores)
    assert np.isfinite(scores.evidence).all()
    assert scores.evidence.shape == z.shape
    assert ((p >= 0) & (p <= 1)).all()
    if form in ROWS_SUM_TO_ONE:
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-14)


@pytest.mark.parametrize(("name", "form"), EVERY)
@settings(max_examples=4)
@given(data=st.data())
def test_a_row_is_calibrated_as_it_would_be_alone(name: str, form: Form, data: st.DataObject) -> None:
    calibrator, z = data.draw(STRATEGIES[name](CLASSES)), rows_of(form)[:35]

    whole = calibrator.scores(z, form)
    alone = [calibrator.scores(z[at : at + 1], form) for at in range(len(z))]

    for field in ("evidence", "probabilities", "interval"):
        parts = [getattr(scores, field) for scores in alone]
        together = getattr(whole, field)
        assert all((part is None) == (together is None) for part in parts)
        assert together is None or np.concatenate(parts).tobytes() == together.tobytes()


@pytest.mark.parametrize(("name", "form"), MONOTONE)
@settings(max_examples=8)
@given(data=st.data())
def test_a_probability_never_falls_as_its_own_logit_rises(name: str, form: Form, data: st.DataObject) -> None:
    """For ordinal forms the probability is that of exceeding the step: the evidence."""
    calibrator, column = data.draw(STRATEGIES[name](CLASSES)), data.draw(st.integers(0, width(form) - 1))
    rising = np.repeat(rows_of(form)[40:41], 200, axis=0)
    rising[:, column] = np.sort(np.random.default_rng(1).normal(scale=15, size=200))

    scores = calibrator.scores(rising, form)

    own = probabilities(scores)[:, -1] if form is Form.BINARY else probabilities(scores)[:, column]
    if form in (Form.CUMULATIVE, Form.CONDITIONAL):
        own = scores.evidence[:, column]
    assert (np.diff(own) >= -1e-15 * np.abs(own[1:])).all()


@pytest.mark.parametrize(("name", "form"), KEEPS_ARGMAX)
@settings(max_examples=8)
@given(data=st.data())
def test_the_default_decision_stays_where_that_is_promised(name: str, form: Form, data: st.DataObject) -> None:
    """Also between logits that differ in their last bit, and at ties."""
    calibrator, z = data.draw(STRATEGIES[name](CLASSES)), rows_of(form)

    scores, plain = calibrator.scores(z, form), FROM_LOGITS[form](z)

    if form is Form.MULTICLASS:
        np.testing.assert_array_equal(scores.evidence.argmax(axis=1), z.argmax(axis=1))
        p = probabilities(scores)
        assert (p[np.arange(len(z)), z.argmax(axis=1)] == p.max(axis=1)).all()
    else:
        half = (0.5,) * z.shape[1]
        np.testing.assert_array_equal(above(scores, half), above(plain, half))


@pytest.mark.parametrize(("name", "form"), EVERY)
def test_neutral_parameters_change_nothing(name: str, form: Form) -> None:
    calibrator, z = NEUTRAL[name], rows_of(form)
    if calibrator is None:
        return

    mine, plain = probabilities(calibrator.scores(z, form)), probabilities(FROM_LOGITS[form](z))

    np.testing.assert_allclose(mine, plain, rtol=1e-14)


@pytest.mark.parametrize(("name", "form"), CUT)
@settings(max_examples=8)
@given(data=st.data(), cut=st.floats(0.01, 0.99))
def test_a_cut_decides_as_the_probability_says(name: str, form: Form, cut: float, data: st.DataObject) -> None:
    """Exactly where the evidence is a probability; within the rounding of a logit where it is one."""
    calibrator, z = data.draw(STRATEGIES[name](CLASSES)), rows_of(form)
    scores = calibrator.scores(z, form)
    p = sigmoid(scores.evidence) if scores.space is Space.LOGIT else scores.evidence
    if form in (Form.BINARY, Form.MULTILABEL):
        np.testing.assert_array_equal(p, probabilities(scores)[:, -z.shape[1] :])

    sure = np.abs(p - cut) > (1e-12 if scores.space is Space.LOGIT else -1)
    np.testing.assert_array_equal(above(scores, (cut,) * z.shape[1])[sure], (p >= cut)[sure])


@pytest.mark.parametrize("name", CALIBRATORS)
def test_a_key_that_a_card_does_not_know_is_refused(name: str) -> None:
    calibrator = EXAMPLES[name]
    form = min(calibrator.FORMS)
    card = json.loads(card_json(card_of(form, calibrator)))
    card["signatures"]["serving_default"]["heads"]["o"]["calibration"]["sharpness"] = 2

    with pytest.raises(InvalidCardError, match=r"^signatures\.serving_default\.heads\.o\.calibration\.sharpness: ther"):
        parse_card(json.dumps(card).encode())
