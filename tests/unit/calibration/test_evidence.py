"""What is written into the card beside a calibration."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics as sk

from headwise.calibration.choice import Candidate, Choice
from headwise.calibration.evidence import Evidence, changed_answers, compare, prove
from headwise.calibration.inputs import read
from headwise.calibration.measures.diagram import read_diagram
from headwise.calibration.tuning.problem import Tuned
from headwise.heads import Head, Temperature

ROWS = 200
RANDOM = np.random.default_rng(0)
Z = RANDOM.normal(size=ROWS) * 4
Y = (RANDOM.random(ROWS) < expit(Z / 2)).astype(int)
FOUND = Tuned(None, "f1", "none", {"f1": np.float64(0.5)})
HEAD = Head("binary", "linear", ("no", "yes"))


@cache
def proved(*, intervals: bool = True, tuned: bool = False) -> Evidence:
    """Of a model that is sure twice too much, and its cure."""
    calibrator = Temperature(2.0)
    inputs = read(Z, Y, HEAD)
    after = calibrator.scores(inputs.samples.logits, inputs.samples.form).probabilities
    assert after is not None
    candidates = (Candidate("identity", 0.5, 0.0, 0.0), Candidate("platt", None, float("-inf"), None, "no"))
    choice = Choice(calibrator, "it is better.", candidates, after, folds=5)
    return prove(
        inputs,
        choice,
        after,
        ("mind the step",),
        seed=3,
        saturated_share=0.25,
        intervals=intervals,
        decision=FOUND if tuned else None,
    )


def test_it_holds_what_the_contract_says() -> None:
    told = proved().to_json()
    assert list(told) == [
        "method",
        "reason",
        "rows",
        "rows_per_class",
        "seed",
        "folds",
        "resamples",
        "candidates",
        "log_loss",
        "brier_score",
        "ece_equal_width",
        "ece_equal_mass",
        "ece_debiased",
        "ece_classwise",
        "smooth_ece",
        "brier_decomposition",
        "reliability",
        "logits",
        "saturated_share",
        "changed_answers",
        "warnings",
        "versions",
    ]
    assert (told["method"], told["rows"], told["seed"], told["folds"]) == ("temperature", ROWS, 3, 5)
    assert told["rows_per_class"] == {"no": ROWS - int(Y.sum()), "yes": int(Y.sum())}
    assert told["candidates"][1] == {
        "method": "platt",
        "log_loss": None,
        "gain": None,
        "standard_error": None,
        "note": "no",
    }
    assert told["logits"] == {"low": Z.min(), "high": Z.max()}
    assert (told["saturated_share"], told["changed_answers"], told["warnings"]) == (0.25, 0.0, ["mind the step"])
    assert set(told["versions"]) == {"headwise", "numpy", "scipy"}


def test_figures_are_before_and_after() -> None:
    told = proved().to_json()
    for name, loss in (("log_loss", sk.log_loss), ("brier_score", sk.brier_score_loss)):
        assert told[name]["before"] == pytest.approx(loss(Y, expit(Z)), rel=1e-9)
        assert told[name]["after"] == pytest.approx(loss(Y, expit(Z / 2)), rel=1e-9)
        assert told[name]["before_interval"][0] < told[name]["before"] < told[name]["before_interval"][1]
    for parts in told["brier_decomposition"].values():
        assert set(parts) == {"reliability", "resolution", "uncertainty", "within_bins"}
    assert told["smooth_ece"]["after"] < told["smooth_ece"]["before"]


def test_it_is_strict_json_and_the_diagram_can_be_read_back() -> None:
    text = json.dumps(proved(intervals=False, tuned=True).to_json(), allow_nan=False)
    told = json.loads(text)
    assert told["decision"] == {"objective": "f1", "reason": "none", "figures": {"f1": 0.5}}
    diagram = read_diagram(told["reliability"], "evidence.output_0.reliability")
    assert diagram.of == "positive class"
    assert sum(one.rows for one in diagram.after) == ROWS
    assert read_diagram(json.loads(json.dumps(diagram.to_json())), "again") == diagram


def test_without_intervals_nothing_is_resampled() -> None:
    told = proved(intervals=False).to_json()
    assert told["resamples"] == 0
    assert set(told["log_loss"]) == {"before", "after"}
    assert told["log_loss"]["after"] == proved().to_json()["log_loss"]["after"]


def test_the_same_rows_and_seed_give_the_same_evidence() -> None:
    assert proved.__wrapped__() == proved()


@pytest.mark.parametrize(
    ("task", "before", "after", "share"),
    [
        ("binary", [[0.4, 0.6], [0.6, 0.4]], [[0.45, 0.55], [0.4, 0.6]], 0.5),
        ("multiclass", [[0.2, 0.3, 0.5]] * 4, [[0.3, 0.3, 0.4]] * 4, 0.0),
        ("ordinal", [[0.4, 0.2, 0.4], [0.0, 0.0, 1.0]], [[0.6, 0.2, 0.2], [0.0, 0.0, 1.0]], 0.5),
        ("multilabel", [[0.6, 0.6], [0.1, 0.1]], [[0.6, 0.4], [0.1, 0.2]], 0.5),
    ],
)
def test_answers_that_calibration_changes_are_counted(task: Any, before: Any, after: Any, share: float) -> None:
    assert changed_answers(np.array(before), np.array(after), task) == share


def test_labels_are_compared_together() -> None:
    p = RANDOM.random((50, 3))
    targets = RANDOM.random((50, 3)) < p
    found = compare(p, p / 2, targets, "multilabel", np.arange(50), seed=0, count=200)
    assert found["log_loss"].before < found["log_loss"].after
    assert found["ece_equal_width"].after_interval is not None
