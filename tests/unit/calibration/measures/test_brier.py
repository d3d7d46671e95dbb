"""The parts of the Brier score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from headwise.calibration import metrics
from headwise.calibration.measures.bins import equal_mass
from headwise.calibration.measures.brier import brier_parts
from headwise.heads import Task


def test_by_hand() -> None:
    # Two bins, all rows of a bin alike: (0.2: 1 of 4), (0.8: 3 of 4); Murphy's three parts are all there is.
    p = np.repeat([0.2, 0.8], 4)
    y = np.array([0, 0, 0, 1, 0, 1, 1, 1])
    parts = brier_parts(np.column_stack([1 - p, p]), y, "binary")
    assert parts.reliability == pytest.approx(0.05**2)
    assert parts.resolution == pytest.approx(0.25**2)
    assert parts.uncertainty == pytest.approx(0.25)
    assert parts.within_bins == pytest.approx(0.0, abs=1e-15)
    assert parts.brier_score == pytest.approx(brier_score_loss(y, p))


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(2, 4))
def test_the_parts_make_the_whole(seed: int, rows: int, classes: int) -> None:
    random = np.random.default_rng(seed)
    p = random.dirichlet([0.3] * classes, rows)
    targets = random.integers(0, classes, rows)
    task: Task = "binary" if classes == 2 else "multiclass"
    whole = metrics.brier_score(p, targets)
    assert brier_parts(p, targets, task).brier_score == pytest.approx(whole, abs=1e-12)
    assert brier_parts(p, targets, task, equal_mass(p, 4)).brier_score == pytest.approx(whole, abs=1e-12)

    labels = random.random((rows, classes)) < 0.3
    parts = brier_parts(p, labels, "multilabel")
    assert parts.brier_score == pytest.approx(metrics.label_brier_scores(p, labels).mean(), abs=1e-12)
    assert min(parts.reliability, parts.resolution, parts.uncertainty) >= 0
