"""Prediction sets against MAPIE's: the same quantile, and so the same sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from headwise.calibration.tuning.tune import tune
from headwise.heads.decisions import Argmax
from support.predictions import MULTICLASS, multiclass

Array = NDArray[Any]
COVERAGES = [0.8, 0.9, 0.95, 0.99]
THEIR_TOLERANCE = 1e-8
"""MAPIE takes in a class whose score exceeds the quantile by less."""


class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose input is its output."""

    def __init__(self, classes: int = 2) -> None:
        self.classes = classes
        self.classes_ = np.arange(classes)
        self.is_fitted_ = True

    def predict_proba(self, probabilities: Array) -> Array:
        """What it was given."""
        return probabilities

    def predict(self, probabilities: Array) -> Array:
        """The most probable class."""
        return np.asarray(probabilities.argmax(axis=1))


@pytest.mark.parametrize(("name", "rows"), [*((name, 1000) for name in MULTICLASS), (MULTICLASS[0], 120)])
def test_lac_sets_are_those_of_mapie(name: str, rows: int) -> None:
    probabilities, targets = multiclass(name)
    classes = probabilities.shape[1]
    seen, fresh = slice(rows), slice(rows, rows + 1000)
    # MAPIE wants a row of each class.
    probabilities, targets = np.concatenate([np.eye(classes), probabilities]), np.append(np.arange(classes), targets)
    peer = SplitConformalClassifier(Given(classes), COVERAGES, conformity_score="lac", prefit=True)
    peer.conformalize(probabilities[seen], targets[seen])
    _, theirs = peer.predict_set(probabilities[fresh])

    rule = tune("coverage>=0.9", probabilities[seen], targets[seen], "multiclass", tuple(map(str, range(classes)))).rule
    assert isinstance(rule, Argmax)
    assert rule.prediction_set is not None
    assert rule.prediction_set.coverages == tuple(COVERAGES)
    for at, coverage in enumerate(COVERAGES):
        quantile = rule.prediction_set.quantiles[str(coverage)]
        ours = rule.prediction_set.contains(probabilities[fresh], coverage)
        differ = ours != theirs[:, :, at]
        over = 1.0 - probabilities[fresh][differ] - quantile
        assert ((over > 0) & (over <= THEIR_TOLERANCE)).all()
        assert differ.mean() < 0.001
