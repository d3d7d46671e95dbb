"""The figures of the evidence are those of the metrics."""

from __future__ import annotations

import numpy as np
import pytest

from headwise.calibration import metrics
from headwise.calibration.measures.measure import figure, measures

RANDOM = np.random.default_rng(6)


@pytest.mark.parametrize("classes", [2, 5])
def test_exclusive_classes(classes: int) -> None:
    p, targets = RANDOM.dirichlet([0.5] * classes, 80), RANDOM.integers(0, classes, 80)
    p[0] = np.eye(classes)[(targets[0] + 1) % classes]
    found = measures(p, targets, "binary" if classes == 2 else "multiclass")
    assert figure(found["log_loss"], 80) == pytest.approx(metrics.log_loss(p, targets), rel=1e-12)
    assert figure(found["brier_score"], 80) == pytest.approx(metrics.brier_score(p, targets), rel=1e-12)


def test_labels() -> None:
    p = RANDOM.random((80, 3))
    targets = RANDOM.random((80, 3)) < p
    found = measures(p, targets, "multilabel")
    assert figure(found["log_loss"], 80) == pytest.approx(metrics.label_log_losses(p, targets).mean(), rel=1e-12)
    assert figure(found["brier_score"], 80) == pytest.approx(metrics.label_brier_scores(p, targets).mean(), rel=1e-12)


def test_a_coarse_smooth_ece_is_nearly_the_fine_one() -> None:
    p = RANDOM.dirichlet([0.5] * 3, 500)
    targets = p.argmax(axis=1)
    fine, coarse = (measures(p, targets, "multiclass", fine=how)["smooth_ece"] for how in (True, False))
    assert figure(coarse, 500) == pytest.approx(figure(fine, 500), rel=1e-3)
