"""One calibrator that the user names."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from headwise.calibration.forced import force
from headwise.calibration.metrics import log_loss
from headwise.calibration.samples import Samples
from headwise.errors import CalibrationError
from headwise.heads import Identity, Temperature
from headwise.heads.scores import Form

RANDOM = np.random.default_rng(0)
Z = RANDOM.normal(size=(300, 1))
Y = (RANDOM.random(300) < expit(Z[:, 0])).astype(np.int64)


def test_it_is_compared_with_nothing_out_of_fold() -> None:
    choice = force(Samples(3 * Z, Y, Form.BINARY, 2), "temperature")
    assert isinstance(choice.calibrator, Temperature)
    assert choice.calibrator.temperature > 2
    nothing, fitted = choice.candidates
    assert fitted.log_loss == pytest.approx(log_loss(choice.out_of_fold, Y), rel=1e-12)
    assert fitted.gain == pytest.approx((nothing.log_loss or 0) - (fitted.log_loss or 0), rel=1e-9)
    assert choice.warnings == ()
    in_sample = choice.calibrator.scores(3 * Z, Form.BINARY).probabilities
    assert in_sample is not None
    assert not np.array_equal(choice.out_of_fold, in_sample)


def test_a_worse_one_is_taken_and_told() -> None:
    worse = [
        choice for seed in range(10) if (choice := force(Samples(Z, Y, Form.BINARY, 2), "beta", seed=seed)).warnings
    ]
    assert worse
    assert worse[0].warnings == ("beta was asked for, and makes the log loss worse",)
    assert (worse[0].candidates[1].gain or 0) < 0


def test_nothing_can_be_asked_for() -> None:
    choice = force(Samples(Z, Y, Form.BINARY, 2), "identity")
    assert choice.calibrator == Identity()
    np.testing.assert_allclose(choice.out_of_fold[:, 1], expit(Z[:, 0]), rtol=1e-14)


@pytest.mark.parametrize("method", ["isotonik", "vector", "per_label"])
def test_a_method_that_does_not_fit_is_told_with_those_that_do(method: str) -> None:
    with pytest.raises(CalibrationError, match=rf"method is '{method}': this head takes identity, .*platt, beta"):
        force(Samples(Z, Y, Form.BINARY, 2), method)
