"""The grid: what is on it for every form, and how likely it is."""

from __future__ import annotations

import numpy as np
import pytest

from headwise.calibration.bayes.grid import LEAST, MOST, SHARES, grid
from headwise.heads.calibrators import CALIBRATORS, AnyCalibrator, Platt, Temperature, TemperatureMixture
from headwise.heads.scores import Form


@pytest.mark.parametrize("form", list(Form))
def test_every_calibrator_fits_the_form(form: Form) -> None:
    assert all(form in CALIBRATORS[calibrator.method].FORMS for calibrator in grid(form).calibrators)


@pytest.mark.parametrize("form", list(Form))
def test_doing_nothing_is_on_it_and_the_ends_are(form: Form) -> None:
    temperatures = [each.temperature for each in grid(form).calibrators if isinstance(each, Temperature)]
    assert {1.0, LEAST, MOST} <= set(temperatures)
    assert temperatures == sorted(temperatures)


def test_a_model_is_rather_too_sure_than_not() -> None:
    found = grid(Form.MULTILABEL)
    weights, slopes = np.exp(found.log_prior), np.log([_slope(each) for each in found.calibrators])
    assert weights[slopes < 0].sum() > 1.5 * weights[slopes > 0].sum()
    assert found.calibrators[int(np.argmax(weights))] == Temperature(1.0)


def _slope(calibrator: AnyCalibrator) -> float:
    assert isinstance(calibrator, Temperature)
    return 1.0 / calibrator.temperature


def test_shares_of_wrong_rows_are_as_likely_as_they_say() -> None:
    found = grid(Form.MULTICLASS)
    weights = np.exp(found.log_prior)
    mixed = np.array([isinstance(each, TemperatureMixture) for each in found.calibrators])
    assert weights[mixed].sum() / weights.sum() == pytest.approx(sum(SHARES.values()))


@pytest.mark.parametrize("form", [Form.BINARY, Form.CUMULATIVE, Form.CONDITIONAL])
def test_no_shift_is_the_likeliest_shift(form: Form) -> None:
    found = grid(form)
    by = dict(zip(found.calibrators, found.log_prior.tolist(), strict=True))
    assert by[Temperature(1.0)] > by[Platt(1.0, 0.2)] > by[Platt(1.0, 1.2)]
    assert by[Platt(1.0, -0.2)] == by[Platt(1.0, 0.2)]
    assert by[Temperature(1.0)] == max(prior for each, prior in by.items() if not isinstance(each, TemperatureMixture))
