"""What tuned decisions promise, on real predictions and through the calibrator that then serves.

Quantiles and cuts come from out-of-fold probabilities, and serve with a calibrator that was fitted to all rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats

from headwise.calibration.fitting.fitters import FITTERS
from headwise.calibration.samples import Samples
from headwise.calibration.tuning.conformal import rank
from headwise.calibration.tuning.tune import tune
from headwise.heads.decisions import Argmax, Threshold
from headwise.heads.links import floored_log, log_softmax
from headwise.heads.scores import Form
from support.predictions import MULTICLASS, multiclass
from support.tuning import calibrated, two_columns

Array = NDArray[Any]
Serve = Callable[[Array], Array]
FOLDS = 5


def out_of_fold(method: str, samples: Samples) -> tuple[Array, Serve]:
    """Each row's probabilities by the fit of the other folds, and the fit of all rows."""
    folds = np.arange(len(samples)) % FOLDS
    probabilities = np.empty((len(samples), samples.classes))
    for fold in range(FOLDS):
        probabilities[folds == fold] = fitted(method, samples.take(np.flatnonzero(folds != fold)))(
            samples.logits[folds == fold]
        )
    return probabilities, fitted(method, samples)


def fitted(method: str, samples: Samples) -> Serve:
    calibrator = FITTERS[method](samples)

    def serve(logits: Array) -> Array:
        probabilities = calibrator.scores(logits, samples.form).probabilities
        assert probabilities is not None
        return probabilities

    return serve


@pytest.mark.parametrize("score", ["lac", "aps"])
@pytest.mark.parametrize("name", MULTICLASS)
@pytest.mark.parametrize("method", [None, "temperature"])
def test_sets_reach_their_coverage_on_real_predictions(name: str, score: str, method: str | None) -> None:
    # A split's covered count lies in the 95 % interval of beta-binomial(n_cal, n_test). Splits of one file share rows,
    # which makes them agree more than independent ones; of 6 splits, 3 or more outside come up once in 450 times.
    # By hand, 100 splits of the probabilities as they are, with 500, 1,000 and 2,000 rows: 2 to 8 % lie outside.
    probabilities, targets = multiclass(name)
    logits = log_softmax(floored_log(probabilities))
    classes, cal, test, outside = probabilities.shape[1], 1000, 2000, 0
    at = rank(cal, 0.9)
    low, high = stats.betabinom.ppf([0.025, 0.975], test, at, cal + 1 - at)
    for seed in range(6):
        rows = np.random.default_rng(seed).permutation(len(targets))[: cal + test]
        seen, fresh = rows[:cal], rows[cal:]
        if method is None:
            given, served = probabilities[seen], probabilities[fresh]
        else:
            given, serve = out_of_fold(method, Samples(logits[seen], targets[seen], Form.MULTICLASS, classes))
            served = serve(logits[fresh])
        labels = tuple(map(str, range(classes)))
        rule = tune(f"coverage>=0.9:{score}", given, targets[seen], "multiclass", labels, seed=seed).rule
        assert isinstance(rule, Argmax)
        assert rule.prediction_set is not None
        covered = rule.prediction_set.contains(served, 0.9)[np.arange(test), targets[fresh]].sum()
        outside += not low <= covered <= high
    assert outside <= 2


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_precision_and_recall_hold_through_the_calibrator_that_serves(method: str) -> None:
    # Truth: the population's P(positive) is known for each row. More violations than the 0.999 quantile come up once in
    # a thousand seeds if each run violates with exactly the allowed 10 %. By hand: 150 runs with 300 and 1,000 rows,
    # also beta and Venn-Abers: 0 to 1 % for precision, 3 to 9 % for recall.
    runs = 25
    truth, _ = calibrated(np.random.default_rng(99), 50_000)
    violations = {"precision": 0, "recall": 0}
    for seed in range(runs):
        scores, positive = calibrated(np.random.default_rng(seed), 600)
        given, serve = out_of_fold(method, Samples(overconfident(scores), positive.astype(np.int64), Form.BINARY, 2))
        served = serve(overconfident(truth))[:, 1]
        for share, of in (("precision", None), ("recall", truth.sum())):
            rule = tune(f"{share}>=0.9", given, positive.astype(np.int64), "binary", ("well", "ill")).rule
            if rule is None:
                continue
            assert isinstance(rule, Threshold)
            chosen = served >= rule.threshold
            violations[share] += truth[chosen].sum() / (chosen.sum() if of is None else of) < 0.9
    assert max(violations.values()) <= stats.binom.ppf(0.999, runs, 0.1)


def overconfident(scores: Array) -> Array:
    """Logits (rows, 1) of a network that is too sure of itself, and of the positive class."""
    logits: Array = 1.3 * special.logit(scores) + 0.5
    return logits[:, np.newaxis]


def test_nothing_is_found_where_nothing_qualifies() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.2, 0.8, 2000)
    positive = (rng.random(2000) < scores).astype(np.int64)
    found = tune("precision>=0.9", two_columns(scores), positive, "binary", ("well", "ill"))
    assert found.rule is None
    assert found.reason.startswith("none found: no cut proves precision >= 0.9 with confidence 0.9 on 2000 rows")
