"""Ribeiro et al. 2020, Table 2, comes out of a head with the published thresholds (Nature Communications 11:1760)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headwise.calibration.calibrate import calibrate
from headwise.heads import Head, PerLabel

Array = NDArray[Any]
FILE = Path(__file__).parents[1] / "data" / "predictions" / "ecg_code_resnet.npz"
LABELS = ("1dAVb", "RBBB", "LBBB", "SB", "AF", "ST")
PUBLISHED = dict(zip(LABELS, (0.124, 0.07, 0.05, 0.278, 0.390, 0.174), strict=True))


@pytest.fixture(scope="module")
def ecg() -> Mapping[str, Array]:
    with np.load(FILE, allow_pickle=False) as saved:
        return dict(saved)


def head(decision: PerLabel | None = None) -> Head:
    return Head("multilabel", "sigmoid", LABELS, decision=decision)


def precision_and_recall(decisions: Array, targets: Array) -> tuple[list[float], list[float]]:
    """Of each label, rounded as they were published."""
    right = (decisions & targets).sum(axis=0)
    precision, recall = right / decisions.sum(axis=0), right / targets.sum(axis=0)
    return precision.round(3).tolist(), recall.round(3).tolist()


def test_the_published_thresholds_give_the_published_table(ecg: Mapping[str, Array]) -> None:
    prediction = head(PerLabel(PUBLISHED)).predict(ecg["p_seeds"][0])
    assert prediction.decisions is not None
    precision, recall = precision_and_recall(prediction.decisions, ecg["y"].astype(bool))
    assert precision == [0.867, 0.895, 1.0, 0.833, 1.0, 0.947]
    assert recall == [0.929, 1.0, 1.0, 0.938, 0.769, 0.973]


def test_without_thresholds_most_of_the_first_label_is_missed(ecg: Mapping[str, Array]) -> None:
    prediction = head().predict(ecg["p_seeds"][0])
    assert prediction.decisions is not None
    _, recall = precision_and_recall(prediction.decisions, ecg["y"].astype(bool))
    assert recall[0] == 0.143


def macro_f1(decisions: Array | None, targets: Array) -> float:
    assert decisions is not None
    hits = (decisions & targets).sum(axis=0)
    return float((2 * hits / (decisions.sum(axis=0) + targets.sum(axis=0))).mean())


def test_thresholds_tuned_on_one_half_beat_a_half_on_the_other(ecg: Mapping[str, Array]) -> None:
    targets = ecg["y"].astype(bool)
    gains = []
    for seed, outputs in enumerate(ecg["p_seeds"]):
        tuned, fresh = np.split(np.random.default_rng(seed).permutation(len(targets)), [len(targets) // 2])
        calibrated = calibrate(outputs[tuned], targets[tuned], head(), objective="f1", intervals=False)
        at_half, by_tuning = (one.predict(outputs[fresh]).decisions for one in (head(), calibrated.head))
        gains.append(macro_f1(by_tuning, targets[fresh]) - macro_f1(at_half, targets[fresh]))
    assert np.mean(gains) > 0.05
    assert np.mean(np.array(gains) > 0) >= 0.9
