"""Folds: every class dealt out evenly, and no row predicted by a fit that saw it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise.calibration.folds import deal, out_of_fold, probabilities_of, splits
from headwise.calibration.samples import Samples
from headwise.heads.calibrators import AnyCalibrator, Temperature
from headwise.heads.scores import Form
from support.logits import drawn


@given(st.lists(st.integers(0, 3), min_size=5, max_size=40), st.integers(2, 5), st.integers(0, 9))
def test_classes_are_dealt_out_evenly(targets: list[int], folds: int, seed: int) -> None:
    truth = np.array(targets)
    dealt = deal(Samples(np.zeros((len(truth), 4)), truth, Form.MULTICLASS, 4), folds, seed)
    for of in (truth >= 0, *(truth == kind for kind in range(4))):
        counts = np.bincount(dealt[of], minlength=folds)
        assert counts.max() - counts.min() <= 1


def test_labels_are_dealt_out_by_how_many_are_on() -> None:
    samples = drawn(Form.MULTILABEL, rows=100)
    dealt = deal(samples, 5, 0)
    counts = np.array([np.bincount(samples.targets.sum(axis=1)[dealt == fold], minlength=4) for fold in range(5)])
    assert np.ptp(counts, axis=0).max() <= 1


def test_the_seed_says_who_shares_a_fold() -> None:
    samples = drawn(Form.BINARY, rows=60)
    assert (deal(samples, 5, 1) == deal(samples, 5, 1)).all()
    assert (deal(samples, 5, 1) != deal(samples, 5, 2)).any()


@pytest.mark.parametrize("form", list(Form))
def test_a_row_is_predicted_by_a_fit_that_did_not_see_it(form: Form) -> None:
    samples = drawn(form, rows=30)
    numbered = Samples(samples.logits, samples.targets, form, samples.classes)
    dealt = deal(numbered, 5, 0)
    seen: list[set[bytes]] = []

    def fit(rows: Samples) -> AnyCalibrator:
        seen.append({row.tobytes() for row in rows.logits})
        return Temperature(1.0 + len(seen))

    predicted = out_of_fold(numbered, fit, dealt)
    for number, (others, fold) in enumerate(splits(dealt)):
        assert len(others) + len(fold) == 30
        assert not {row.tobytes() for row in numbered.logits[fold]} & seen[number]
        np.testing.assert_array_equal(predicted[fold], probabilities_of(Temperature(2.0 + number), numbered.take(fold)))
