"""A calibrator of its own for every label, and the table of all fits."""

from __future__ import annotations

import numpy as np
import pytest

from headwise.calibration.fitting.each_label import RARE, each_label, label_samples
from headwise.calibration.fitting.fitters import FITTERS
from headwise.calibration.fitting.slopes import platt
from headwise.calibration.fitting.temperature import temperature
from headwise.calibration.samples import Samples
from headwise.heads.calibrators import CALIBRATORS
from headwise.heads.scores import Form
from support.logits import drawn

CASES = [(method, form) for method in FITTERS for form in sorted(CALIBRATORS[method].FORMS)]


def test_a_label_is_fitted_as_if_it_stood_alone() -> None:
    samples = drawn(Form.MULTILABEL, rows=300, stretch=2.0)
    found = each_label(samples).calibrators
    assert found == tuple(platt(label_samples(samples, label)) for label in range(3))


def test_rare_and_reversed_labels_share_a_temperature() -> None:
    samples = drawn(Form.MULTILABEL, rows=300, stretch=2.0)
    targets = samples.targets.copy()
    targets[:, 0] = np.arange(300) < RARE - 1
    targets[:, 1] = ~targets[:, 1]
    odd = Samples(samples.logits, targets, samples.form, 3)
    shared = temperature(odd)
    assert each_label(odd).calibrators == (shared, shared, platt(label_samples(odd, 2)))


def test_all_registered_calibrators_can_be_fitted_but_the_one_without_parameters() -> None:
    assert FITTERS.keys() == CALIBRATORS.keys() - {"identity"}


@pytest.mark.parametrize(("method", "form"), CASES)
def test_a_fit_depends_on_the_rows_alone_and_leaves_them_as_they_are(method: str, form: Form) -> None:
    samples = drawn(form, rows=120, stretch=2.0)
    logits, targets = samples.logits.copy(), samples.targets.copy()
    samples.logits.setflags(write=False)
    samples.targets.setflags(write=False)
    found = FITTERS[method](samples)
    assert isinstance(found, CALIBRATORS[method])
    assert FITTERS[method](Samples(logits, targets, form, samples.classes)) == found


@pytest.mark.parametrize(("method", "form"), CASES)
def test_the_order_of_rows_hardly_matters(method: str, form: Form) -> None:
    """Sums round, so up to rounding: step functions count and are exact."""
    samples = drawn(form, rows=200, stretch=2.0)
    turned = samples.take(np.arange(200)[::-1])
    first, second = (FITTERS[method](rows).scores(samples.logits, form).probabilities for rows in (samples, turned))
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(first, second, atol=1e-5)


@pytest.mark.parametrize("method", sorted(FITTERS))
def test_log_loss_falls_on_the_rows_of_a_model_that_is_too_sure(method: str) -> None:
    form = Form.MULTILABEL if method == "per_label" else Form.MULTICLASS if method == "vector" else Form.BINARY
    samples = drawn(form, rows=1000, stretch=4.0)
    losses = []
    for calibrator in (CALIBRATORS["identity"](), FITTERS[method](samples)):
        p = calibrator.scores(samples.logits, form).probabilities
        assert p is not None
        if form is Form.MULTILABEL:
            of_truth = np.where(samples.targets, p, 1 - p)
        else:
            of_truth = p[np.arange(1000), samples.targets]
        losses.append(-np.log(np.maximum(of_truth, 1e-16)).mean())
    assert losses[1] < 0.7 * losses[0]
