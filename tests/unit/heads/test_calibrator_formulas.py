"""What each calibrator computes, against independent references, and which parameters it refuses."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from sklearn.isotonic import IsotonicRegression

from headwise.errors import InvalidCardError
from headwise.heads import Head, Layout
from headwise.heads.calibrators import (
    AnyCalibrator,
    Beta,
    Calibrator,
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
from headwise.heads.links import Float64
from headwise.heads.scores import Form, Space
from headwise.repository.cards import parse_card
from strategies.heads import LEGAL, STRATEGIES, Case, build, cases

Z = np.concatenate([np.linspace(-45, 45, 41), [0.0, -60.0, 1e-9, -1e-9, 700.0, -700.0]])[:, np.newaxis]
PROBABILISTIC = [(layout, a) for layout, a in LEGAL if layout is not Layout.REGRESSION]
THREE = np.random.default_rng(3).normal(scale=6, size=(40, 3))


def binary(calibrator: Calibrator, z: Float64 = Z) -> Float64:
    """Both columns."""
    probabilities = calibrator.scores(z, Form.BINARY).probabilities
    assert probabilities is not None
    return probabilities


def test_temperature_divides_the_logit() -> None:
    np.testing.assert_allclose(binary(Temperature(2.5)), special.expit(np.hstack([-Z, Z]) / 2.5), rtol=1e-13)
    multiclass = Temperature(2.5).scores(THREE, Form.MULTICLASS).probabilities
    np.testing.assert_allclose(multiclass, special.softmax(THREE / 2.5, axis=1), rtol=1e-13)  # type: ignore[arg-type]


def test_platt_moves_and_stretches_the_logit() -> None:
    z = 0.7 * Z - 3
    np.testing.assert_allclose(binary(Platt(0.7, -3.0)), special.expit(np.hstack([-z, z])), rtol=1e-12)


@pytest.mark.parametrize("form", [Form.CUMULATIVE, Form.CONDITIONAL])
def test_platt_moves_all_steps_of_an_ordinal_head_alike(form: Form) -> None:
    exceed = special.expit(0.7 * THREE - 0.3)
    accumulate: Any = np.minimum if form is Form.CUMULATIVE else np.multiply
    exceed = accumulate.accumulate(exceed, axis=1)

    scores = Platt(0.7, -0.3).scores(THREE, form)

    expected = -np.diff(np.hstack([np.ones((40, 1)), exceed, np.zeros((40, 1))]), axis=1)
    np.testing.assert_allclose(scores.probabilities, expected, rtol=0, atol=1e-15)  # type: ignore[arg-type]


def test_a_mixture_gives_its_uniform_share_to_every_class() -> None:
    two = 0.9 * special.expit(np.hstack([-Z, Z]) / 1.5) + 0.05
    np.testing.assert_allclose(binary(TemperatureMixture(1.5, 0.1)), two, rtol=1e-14)
    multiclass = TemperatureMixture(1.5, 0.1).scores(THREE, Form.MULTICLASS).probabilities
    expected = 0.9 * special.softmax(THREE / 1.5, axis=1) + 0.1 / 3
    np.testing.assert_allclose(multiclass, expected, rtol=1e-13)  # type: ignore[arg-type]


def test_vector_scaling_moves_and_stretches_each_class() -> None:
    scores = Vector((0.5, 1.0, 2.0), (0.1, -0.2, 0.0)).scores(THREE, Form.MULTICLASS)

    expected = special.softmax(THREE * [0.5, 1.0, 2.0] + [0.1, -0.2, 0.0], axis=1)
    np.testing.assert_allclose(scores.probabilities, expected, rtol=1e-12)  # type: ignore[arg-type]


@pytest.mark.parametrize(("a", "b", "c"), [(0.5, 2.0, 0.3), (0.0, 1.0, -2.0), (3.0, 0.0, 0.1), (1.7, 1.7, -0.4)])
def test_beta_weighs_both_logarithms(a: float, b: float, c: float) -> None:
    log_odds = a * special.log_expit(Z) - b * special.log_expit(-Z) + c

    np.testing.assert_allclose(binary(Beta(a, b, c)), special.expit(np.hstack([-log_odds, log_odds])), rtol=1e-11)


def test_beta_with_equal_slopes_is_platt_bit_for_bit() -> None:
    assert binary(Beta(1.7, 1.7, -0.4)).tobytes() == binary(Platt(1.7, -0.4)).tobytes()


@pytest.mark.parametrize("calibrator", [Beta(0.0, 2.0, 1.0), Beta(2.0, 0.0, 1.0), Isotonic((0.0,), (0.2, 0.7))])
def test_infinite_logits_of_two_units_far_apart_have_an_answer(calibrator: AnyCalibrator) -> None:
    head = Head("binary", "linear", ("no", "yes"), calibration=calibrator)

    probabilities = head.predict(np.array([[-1.7e308, 1.7e308], [1.7e308, -1.7e308]])).probabilities

    assert probabilities is not None
    assert np.isfinite(probabilities).all()
    assert probabilities[0, 1] > probabilities[1, 1]


def test_an_isotonic_block_holds_its_own_cut() -> None:
    z = np.array([[-9.0], [np.nextafter(-1.0, -2)], [-1.0], [0.5], [2.0], [np.inf]])

    pair = binary(Isotonic((-1.0, 2.0), (0.1, 0.4, 0.9)), z)

    assert pair[:, 1].tolist() == [0.1, 0.1, 0.4, 0.4, 0.9, 0.9]
    assert pair[:, 0].tolist() == [1 - 0.1, 1 - 0.1, 1 - 0.4, 1 - 0.4, 1 - 0.9, 1 - 0.9]


def test_isotonic_blocks_say_what_scikit_learn_fitted() -> None:
    rng = np.random.default_rng(2)
    z = rng.normal(size=300)
    fitted = IsotonicRegression(y_min=0.01, y_max=0.99).fit(z, rng.random(300) < special.expit(z))
    order = np.sort(z)
    levels = fitted.predict(order)
    starts = np.flatnonzero(np.diff(levels, prepend=-1))

    calibrator = Isotonic(tuple(order[starts[1:]]), tuple(levels[starts]))

    np.testing.assert_array_equal(binary(calibrator, z[:, np.newaxis])[:, 1], fitted.predict(z))


def test_venn_abers_looks_before_at_and_after_its_logits() -> None:
    calibrator = VennAbers((-1.0, 2.0), (0.0, 0.1, 0.2, 0.3, 0.4), (0.5, 0.6, 0.7, 0.8, 1.0))
    z = np.array([[-9.0], [-1.0], [0.0], [2.0], [2.1]])

    scores = calibrator.scores(z, Form.BINARY)

    assert scores.interval is not None
    assert scores.interval[:, 0].tolist() == [[0.0, 0.5], [0.1, 0.6], [0.2, 0.7], [0.3, 0.8], [0.4, 1.0]]
    lower, upper = scores.interval[:, 0].T
    np.testing.assert_allclose(binary(calibrator, z)[:, 1], upper / (1 - lower + upper), rtol=1e-15)
    np.testing.assert_allclose(binary(calibrator, z)[:, 0], (1 - lower) / (1 - lower + upper), rtol=1e-15)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 2), max_size=14), st.lists(st.integers(0, 2), max_size=14))
def test_compression_of_venn_abers_is_exact(lower_steps: list[int], upper_steps: list[int]) -> None:
    knots = np.arange(min(len(lower_steps), len(upper_steps)) // 2, dtype=np.float64)
    cells = 2 * len(knots) + 1
    lower = np.cumsum([1, *lower_steps])[:cells] / 100
    upper = np.cumsum([41, *upper_steps])[:cells] / 100
    full = VennAbers(tuple(knots), tuple(lower), tuple(upper))

    small = VennAbers.compressed(knots, lower, upper)

    z = np.arange(-1, len(knots) + 1, 0.5)[:, np.newaxis]
    assert binary(small, z).tobytes() == binary(full, z).tobytes()
    interval, whole = small.scores(z, Form.BINARY).interval, full.scores(z, Form.BINARY).interval
    assert interval is not None
    assert whole is not None
    assert interval.tobytes() == whole.tobytes()
    changes = [set(zip(lower[2 * i : 2 * i + 3], upper[2 * i : 2 * i + 3], strict=True)) for i in range(len(knots))]
    assert len(small.logits) == sum(len(change) > 1 for change in changes)


@settings(max_examples=15)
@given(STRATEGIES["per_label"](7))
def test_each_label_is_calibrated_as_if_it_stood_alone(together: AnyCalibrator) -> None:
    assert isinstance(together, EachLabel)
    z = np.random.default_rng(6).normal(scale=9, size=(20, 7))

    scores = together.scores(z, Form.MULTILABEL)

    assert scores.probabilities is not None
    for at, calibrator in enumerate(together.calibrators):
        alone = calibrator.scores(z[:, at : at + 1], Form.BINARY)
        assert alone.probabilities is not None
        assert scores.probabilities[:, at].tobytes() == alone.probabilities[:, 1].tobytes()
        if alone.interval is not None and scores.interval is not None:
            assert scores.interval[:, at].tobytes() == alone.interval[:, 0].tobytes()
        elif scores.interval is not None:
            assert np.isnan(scores.interval[:, at]).all()
        cut = (0.4,) * 7
        np.testing.assert_array_equal(above(scores, cut)[:, at], above(alone, (0.4,))[:, 0])


def test_labels_that_all_stay_in_logits_are_cut_as_logits() -> None:
    z = np.zeros((1, 2))

    assert EachLabel((Platt(1.0, 0.0), Beta(1.0, 2.0, 0.0))).scores(z, Form.MULTILABEL).space is Space.LOGIT
    assert EachLabel((Platt(1.0, 0.0), Isotonic((), (0.3,)))).scores(z, Form.MULTILABEL).space is Space.PROBABILITY


@settings(max_examples=40)
@given(cases(cells=PROBABILISTIC, calibrated=False, dtypes=("float64",)), st.sampled_from(["identity", "temperature"]))
def test_a_neutral_calibrator_of_a_head_changes_nothing_that_matters(case: Case, name: str) -> None:
    """Identity not a bit; temperature 1 only what canonical logits and the floor round."""
    neutral: AnyCalibrator = Identity() if name == "identity" else Temperature(1.0)
    calibrated = build(case.layout, case.head.activation, case.output.shape[1], calibration=neutral)

    mine, plain = calibrated.predict(case.output), case.head.predict(case.output)

    if plain.probabilities is not None:
        assert mine.probabilities is not None
        np.testing.assert_allclose(
            mine.probabilities, plain.probabilities, rtol=0, atol=0 if name == "identity" else 1e-12
        )


def test_an_impossible_class_drags_no_other() -> None:
    """Log-softmax is floored at -60: a class of exactly 0 is one that is very unlikely, not minus infinity."""
    head = Head("multiclass", "softmax", ("a", "b", "c"), calibration=Temperature(2))

    probabilities = head.predict(np.array([[0.8, 0.2, 0.0]], np.float32)).probabilities

    assert probabilities is not None
    assert probabilities[0, 0] / probabilities[0, 1] == pytest.approx(2, rel=1e-6)
    assert probabilities[0, 2] == pytest.approx(np.exp(-30) / (np.sqrt(0.8) + np.sqrt(0.2)), rel=1e-6)


@pytest.mark.parametrize(("dtype", "logit"), [("float16", 8.32), ("float32", 17.33), ("float64", 37.43)])
def test_a_saturated_sigmoid_is_calibrated_by_the_dtype_it_came_in(dtype: str, logit: float) -> None:
    head = Head("binary", "sigmoid", ("no", "yes"), calibration=Temperature(2))

    probabilities = head.predict(np.ones(1, dtype)).probabilities

    assert probabilities is not None
    assert probabilities[0, 1] == pytest.approx(special.expit(logit / 2), rel=1e-3)
    assert probabilities[0, 0] == pytest.approx(special.expit(-logit / 2), rel=5e-3)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("kind", "parameters", "text"),
    [
        (Temperature, (0.0,), r"temperature is 0\.0: it must be finite and 0\.001 or more"),
        *((Temperature, (value,), "temperature is") for value in (-1.0, 1e-320, NAN, INF, "1", True, None)),
        (TemperatureMixture, (0.0, 0.1), "temperature is 0.0"),
        *((TemperatureMixture, (1.0, value), "uniform is .*: it must be") for value in (-0.1, 1.0, NAN)),
        (Platt, (-1.0, 0.0), r"slope is -1\.0: it must be finite and above 0; a negative one would swap the labels"),
        *((Platt, (value, 0.0), "slope is") for value in (0.0, NAN, INF)),
        *((Platt, (1.0, value), "intercept is") for value in (NAN, INF)),
        (Vector, ((1.0,), (0.0,)), "slopes has 1 entries: it must have one a class, 2 or more"),
        (Vector, ((1.0, 1.0), (0.0,)), "intercepts has 1 entries: it must have 2, one a class, as slopes has"),
        (Vector, ((1.0, -1.0), (0.0, 0.0)), r"slopes\[1\] is -1.0: it must be above 0 .*would swap the labels"),
        (Vector, ((1.0, 1e7), (0.0, 0.0)), r"slopes\[1\] is 10000000.0: it must be above 0 and at most 1e\+06"),
        (Vector, ((1.0, 1.0), (0.0, 1e7)), r"intercepts\[1\] is 10000000.0: it must be from -1e\+06 to 1e\+06"),
        (Vector, (1.0, (0.0, 0.0)), "slopes is 1.0: it must be a list of numbers"),
        (Vector, ("12", (0.0, 0.0)), "slopes is '12': it must be a list of numbers"),
        (Beta, (-1.0, 1.0, 0.0), "a is -1.0: it must be 0 or more; a negative one would swap the labels"),
        (Beta, (1.0, NAN, 0.0), "b is nan"),
        (Beta, (0.0, 0.0, 0.0), "a and b are both 0: every row would get the same probability"),
        (Isotonic, ((0.0,), (0.5,)), "probabilities has 1 entries: it must have 2, one more than cuts"),
        (Isotonic, ((1.0, 1.0), (0.1, 0.2, 0.3)), r"cuts\[1\] is 1.0: it must be above the one before it, 1.0"),
        (Isotonic, ((1.0,), (0.2, 0.1)), r"probabilities\[1\] is 0.1: it must be not below the one before it, 0.2"),
        (Isotonic, ((1.0,), (0.0, 0.1)), r"probabilities\[0\] is 0.0: it must be between 0 and 1, both excluded"),
        (Isotonic, ((INF,), (0.1, 0.2)), r"cuts\[0\] is inf: it must be a finite number"),
        (VennAbers, ((0.0,), (0.1, 0.2), (0.5,) * 3), "lower has 2 entries: it must have 3"),
        (VennAbers, ((0.0, 0.0), (0.1,) * 5, (0.5,) * 5), r"logits\[1\] is 0.0: it must be above"),
        (VennAbers, ((), (0.6,), (0.5,)), r"lower\[0\] is 0.6 and upper\[0\] is 0.5: they must be an interval"),
        (VennAbers, ((), (0.0,), (0.0,)), r"lower\[0\] and upper\[0\] are both 0.0: p would be exactly 0"),
        (VennAbers, ((0.0,), (0.2, 0.1, 0.3), (0.5,) * 3), r"lower\[1\] is 0.1: it must be not below"),
        (EachLabel, ((),), "calibrators is empty: it must have one a label"),
        (EachLabel, ((Platt(1.0, 0.0), Vector((1.0,) * 2, (0.0,) * 2)),), r"calibrators\[1\] is Vector"),
    ],
)
def test_parameters_that_cannot_be_are_refused(kind: type[Any], parameters: tuple[Any, ...], text: str) -> None:
    with pytest.raises(InvalidCardError, match=text):
        kind(*parameters)


def test_parameters_become_plain_floats() -> None:
    calibrator = Vector(np.array([1, 2]), [np.float32(0.5), 0])  # type: ignore[arg-type]

    assert calibrator == Vector((1.0, 2.0), (0.5, 0.0))
    assert {type(number) for number in (*calibrator.slopes, *calibrator.intercepts)} == {float}


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ({"method": "platt", "slope": -1, "intercept": 0}, ".calibrators.1: slope is -1.0"),
        ({"method": "platt", "slope": "1", "intercept": 0}, ".calibrators.1.slope: Input should be a valid number"),
        ({"method": "isotonic", "cuts": [0, "a"], "probabilities": []}, ".calibrators.1.cuts.1: Input should be"),
        ({"method": "vector"}, ".calibrators.1: its 'method' is 'vector': it must be one of 'identity', "),
        ({}, ".calibrators.1: its 'method' is required"),
    ],
)
def test_a_refused_card_names_the_label_and_its_key(second: dict[str, Any], reason: str) -> None:
    calibration = {"method": "per_label", "calibrators": [{"method": "identity"}, second]}
    head = {"task": "multilabel", "activation": "linear", "labels": ["a", "b"], "calibration": calibration}
    card = {"card_version": 1, "signatures": {"s": {"heads": {"o": head}}}}

    with pytest.raises(InvalidCardError) as refused:
        parse_card(json.dumps(card).encode())

    assert str(refused.value).startswith(f"signatures.s.heads.o.calibration{reason}")
