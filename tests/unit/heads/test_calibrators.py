"""Every registered calibrator: its formula, its place in the registry, and what it may never do."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import special

from headwise.errors import InvalidCardError
from headwise.heads import CALIBRATORS, Calibrator, Head, Layout, Platt, Temperature
from headwise.heads.calibrators import AnyCalibrator
from headwise.heads.scores import Form
from strategies.heads import LEGAL, Case, build, cases

EXAMPLES: dict[str, Calibrator] = {"temperature": Temperature(1.31), "platt": Platt(0.7, -0.2)}
PROBABILISTIC = [(layout, a) for layout, a in LEGAL if layout is not Layout.REGRESSION]


def test_the_registry_the_card_and_this_test_know_the_same_calibrators() -> None:
    members = get_args(get_args(AnyCalibrator)[0])

    assert set(CALIBRATORS.values()) == set(members)
    assert {name: type(example) for name, example in EXAMPLES.items()} == CALIBRATORS
    assert all(example.method == name for name, example in EXAMPLES.items())


@pytest.mark.parametrize("name", CALIBRATORS)
def test_parameters_survive_json_bit_for_bit(name: str) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(AnyCalibrator)

    assert adapter.validate_json(adapter.dump_json(EXAMPLES[name])) == EXAMPLES[name]


@pytest.mark.parametrize(("name", "form"), [(name, form) for name in CALIBRATORS for form in CALIBRATORS[name].FORMS])
def test_a_calibrator_gives_probabilities_for_each_form_it_names(name: str, form: Form) -> None:
    logits = np.random.default_rng(1).normal(scale=9, size=(50, 1 if form is Form.BINARY else 3))

    scores = EXAMPLES[name].scores(logits, form)

    assert scores.probabilities is not None
    assert ((scores.probabilities >= 0) & (scores.probabilities <= 1)).all()
    assert scores.evidence.shape == logits.shape


@given(st.floats(-1e4, 1e4), st.floats(0.05, 20))
def test_temperature_divides_the_logit(z: float, temperature: float) -> None:
    head = Head("binary", "linear", ("no", "yes"), calibration=Temperature(temperature))

    probabilities = head.predict([z]).probabilities

    assert probabilities is not None
    assert probabilities[0].tolist() == pytest.approx(special.expit([-z / temperature, z / temperature]), rel=1e-13)


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=6), st.floats(0.5, 20))
def test_temperature_divides_every_class_logit(z: list[float], temperature: float) -> None:
    head = Head("multiclass", "linear", tuple(map(str, range(len(z)))), calibration=Temperature(temperature))

    probabilities = head.predict([z]).probabilities

    assert probabilities is not None
    assert probabilities[0] == pytest.approx(special.softmax(np.array(z) / temperature), rel=1e-12)


@given(st.floats(-1e4, 1e4), st.floats(0.01, 50), st.floats(-20, 20))
def test_platt_moves_and_stretches_the_logit(z: float, slope: float, intercept: float) -> None:
    head = Head("binary", "linear", ("no", "yes"), calibration=Platt(slope, intercept))

    probabilities = head.predict([z]).probabilities

    assert probabilities is not None
    assert probabilities[0, 1] == pytest.approx(special.expit(slope * z + intercept), rel=1e-13, abs=1e-300)


@given(cases(cells=[cell for cell in PROBABILISTIC if cell[0] is Layout.MULTICLASS]), st.floats(0.05, 20))
def test_temperature_keeps_the_argmax(case: Case, temperature: float) -> None:
    """Where the lead is not itself a rounding error, and the losers are not all below the floor."""
    units = case.output.shape[1]
    calibrated = build(case.layout, case.head.activation, units, calibration=Temperature(temperature))
    plain = case.head.predict(case.output).probabilities
    assert plain is not None
    lead = np.diff(np.sort(np.log(np.maximum(plain, 1e-300)), axis=1)[:, -2:])[:, 0] > 1e-9

    found = calibrated.predict(case.output).indices

    assert found is not None
    assert np.array_equal(found[lead], plain.argmax(axis=1)[lead])


@given(cases(cells=PROBABILISTIC, calibrated=False, dtypes=("float64",)))
def test_temperature_1_changes_nothing_that_matters(case: Case) -> None:
    calibrated = build(
        case.layout, case.head.activation, case.output.shape[1], calibration=Temperature(1), decision=case.head.decision
    ).predict(case.output)
    plain = case.head.predict(case.output)

    if plain.probabilities is not None:
        np.testing.assert_allclose(calibrated.probabilities, plain.probabilities, rtol=0, atol=1e-12)  # type: ignore[arg-type]


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


@pytest.mark.parametrize(
    ("kind", "parameters", "text"),
    [
        (Temperature, (0.0,), "temperature is 0.0: it must be finite and 0.001 or more"),
        *((Temperature, (value,), "temperature is") for value in (-1.0, 1e-320, float("nan"), float("inf"))),
        (Platt, (-1.0, 0.0), "slope is -1.0: it must be finite and above 0; a negative one would swap the labels"),
        *((Platt, (value, 0.0), "slope is") for value in (0.0, float("nan"), float("inf"))),
        *((Platt, (1.0, value), "intercept is") for value in (float("nan"), float("inf"))),
    ],
)
def test_parameters_that_cannot_be_are_refused(kind: type[Any], parameters: tuple[float, ...], text: str) -> None:
    with pytest.raises(InvalidCardError, match=text):
        kind(*parameters)
