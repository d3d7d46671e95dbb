"""headwise.calibrate, from raw outputs to a head that says what it means."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from headwise.calibration.calibrate import Calibrated, calibrate
from headwise.calibration.metrics import log_loss
from headwise.errors import CalibrationError
from headwise.heads import Argmax, Head, Layout, Platt, Prior, Temperature, Threshold
from headwise.heads.links import Float64
from strategies.heads import LEGAL, build

ROWS = 400
OVERCONFIDENT = 3.0
BINARY = Head("binary", "linear", ("no", "yes"))
THREE = Head("multiclass", "linear", ("a", "b", "c"))
ACTIVATE = {
    "linear": lambda z: z,
    "sigmoid": expit,
    "softmax": lambda z: softmax(z, axis=1),
    "log_softmax": lambda z: log_softmax(z, axis=1),
    "tanh": lambda z: np.tanh(z / 2),
}
UNITS = {Layout.BINARY_ONE_UNIT: 1, Layout.BINARY_TWO_UNITS: 2}
STEPS = (Layout.ORDINAL_CUMULATIVE, Layout.ORDINAL_CONDITIONAL)


def rows(layout: Layout, activation: str, seed: int = 0, count: int = ROWS) -> tuple[Float64, Any]:
    """A model's numbers that are three times too sure, and targets."""
    random = np.random.default_rng(seed)
    units = UNITS.get(layout, 3)
    z = 1.5 * random.normal(size=(count, units))
    if layout in STEPS:
        z = z[:, :1] + np.array([[1.5, 0.0, -1.5]])
    head = build(layout, activation, units)  # type: ignore[arg-type]
    true = replace(head, activation="linear").predict(z).probabilities
    assert true is not None
    drawn = random.random((count, 1))
    targets = random.random(true.shape) < true if head.task == "multilabel" else (drawn > true.cumsum(axis=1)).sum(1)
    return ACTIVATE[activation](OVERCONFIDENT * z), targets


def test_a_model_that_is_too_sure_is_cured() -> None:
    raw, targets = rows(Layout.MULTICLASS, "linear")
    found = calibrate(raw, targets, THREE)
    fresh, truth = rows(Layout.MULTICLASS, "linear", seed=1)
    before = THREE.predict(fresh).probabilities
    assert before is not None
    assert found.chosen != "identity"
    assert log_loss(found.predict_proba(fresh), truth) < 0.8 * log_loss(before, truth)
    assert found.evidence["log_loss"]["after"] < 0.8 * found.evidence["log_loss"]["before"]
    assert found.head.labels == THREE.labels
    assert found.chosen in repr(found)


def test_without_scipy_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['scipy'] = None; import headwise; headwise.calibrate([0.0], [0], None)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (
        run.stderr.splitlines()[-1] == "ImportError: headwise.calibrate needs scipy: pip install 'headwise[calibrate]'"
    )


def test_a_model_that_is_right_is_left_alone() -> None:
    random = np.random.default_rng(0)
    z = random.normal(size=ROWS)
    found = calibrate(z, random.random(ROWS) < expit(z), BINARY)
    assert found.chosen == "identity"
    np.testing.assert_array_equal(found.predict_proba(z), BINARY.predict(z).probabilities)
    assert found.head.calibration is not None


@pytest.mark.parametrize(("layout", "activation"), [cell for cell in LEGAL if cell[0] is not Layout.REGRESSION])
def test_every_legal_head_is_calibrated(layout: Layout, activation: Any) -> None:
    raw, targets = rows(layout, activation)
    head = build(layout, activation, raw.shape[1])
    found = calibrate(raw, targets, head, intervals=False)
    if found.head.is_margin:
        return
    probabilities = found.predict_proba(raw)
    np.testing.assert_array_equal(probabilities, found.head.predict(raw).probabilities)
    assert found.before.shape == found.after.shape == probabilities.shape
    assert found.evidence["log_loss"]["after"] < found.evidence["log_loss"]["before"]
    json.dumps(found.evidence, allow_nan=False)


def test_the_seed_decides_and_nothing_is_changed() -> None:
    raw, targets = rows(Layout.BINARY_ONE_UNIT, "linear", count=60)
    copies = raw.copy(), targets.copy()
    one, two, other = (calibrate(raw, targets, BINARY, seed=seed, method="temperature") for seed in (5, 5, 6))
    assert (one.head, one.evidence) == (two.head, two.evidence)
    assert one.evidence["log_loss"] != other.evidence["log_loss"]
    np.testing.assert_array_equal(raw, copies[0])
    np.testing.assert_array_equal(targets, copies[1])


def test_positions_are_rows() -> None:
    raw, targets = rows(Layout.MULTICLASS, "linear")
    flat = calibrate(raw, targets, THREE, method="temperature", intervals=False)
    nested = calibrate(raw.reshape(100, 4, 3), targets.reshape(100, 4), THREE, method="temperature", intervals=False)
    assert nested.head == flat.head
    assert nested.predict_proba(raw.reshape(100, 4, 3)).shape == (100, 4, 3)


def test_a_calibration_before_is_replaced_and_not_built_upon() -> None:
    raw, targets = rows(Layout.BINARY_ONE_UNIT, "linear")
    anew = calibrate(raw, targets, replace(BINARY, calibration=Platt(9.0, 3.0)), method="platt", intervals=False)
    assert anew.head == calibrate(raw, targets, BINARY, method="platt", intervals=False).head


def test_a_prior_stays_and_is_not_fitted() -> None:
    raw, targets = rows(Layout.BINARY_ONE_UNIT, "linear")
    prior = Prior((0.5, 0.5), (0.9, 0.1))
    found = calibrate(raw, targets, replace(BINARY, prior=prior), method="platt", intervals=False)
    plain = calibrate(raw, targets, BINARY, method="platt", intervals=False)
    assert found.head == replace(plain.head, prior=prior)
    assert found.evidence["log_loss"] == plain.evidence["log_loss"]
    assert "the head has a prior" in " ".join(found.warnings)


def test_a_named_method_is_taken_whatever_it_does() -> None:
    raw, targets = rows(Layout.BINARY_ONE_UNIT, "linear")
    found = calibrate(raw, targets, BINARY, method="platt", intervals=False)
    assert isinstance(found.head.calibration, Platt)
    assert [one["method"] for one in found.evidence["candidates"]] == ["identity", "platt"]
    assert calibrate(raw, targets, BINARY, method="identity", intervals=False).chosen == "identity"
    with pytest.raises(CalibrationError, match=r"method is 'plat': this head takes identity, .*platt"):
        calibrate(raw, targets, BINARY, method="plat")
    with pytest.raises(CalibrationError, match=r"method is 'platt': this head takes"):
        calibrate(*rows(Layout.MULTICLASS, "linear"), THREE, method="platt")
    random = np.random.default_rng(0)
    z = random.normal(size=ROWS)
    worse = calibrate(z, random.random(ROWS) < expit(z), BINARY, method="temperature", intervals=False)
    assert isinstance(worse.head.calibration, Temperature)


def test_an_objective_tunes_the_decision_on_calibrated_probabilities() -> None:
    raw, targets = rows(Layout.BINARY_ONE_UNIT, "linear")
    head = replace(BINARY, decision=Threshold(0.5, {"screening": 0.1}))
    found = calibrate(raw, targets, head, objective="cost:1:4", intervals=False)
    assert found.evidence["decision"]["objective"] == "cost:1:4"
    f1 = calibrate(raw, targets, head, objective="f1", intervals=False).head.decision
    assert isinstance(f1, Threshold)
    assert 0 < f1.threshold < 0.5
    assert f1.thresholds == {"screening": 0.1}
    assert calibrate(raw, targets, head, intervals=False).head.decision == head.decision
    with pytest.raises(CalibrationError, match="f1"):
        calibrate(raw, targets, BINARY, objective="beauty")


def test_an_objective_that_nothing_reaches_leaves_the_decision() -> None:
    random = np.random.default_rng(0)
    noise, targets = random.normal(size=ROWS), random.integers(0, 2, ROWS)
    found = calibrate(noise, targets, BINARY, objective="precision>=0.99", intervals=False)
    assert found.head.decision is None
    assert found.evidence["decision"]["reason"]


def test_a_margin_that_stays_one_has_no_probability() -> None:
    head = Head("binary", "tanh", ("no", "yes"), calibration=Platt(1.0, 0.0), decision=Threshold(0.3))
    raw, targets = rows(Layout.BINARY_ONE_UNIT, "tanh")
    found = calibrate(raw, targets, head, method="identity", objective="f1", intervals=False)
    assert found.head.decision is None
    assert "decision" not in found.evidence
    assert any("decided at 0" in text for text in found.warnings)
    with pytest.raises(CalibrationError, match="a tanh margin without one has no probability"):
        found.predict_proba(raw)


@pytest.mark.parametrize("plot", ["reliability", "scores", "thresholds", "confusion"])
def test_plots_are_figures(plot: str) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415

    raw, targets = rows(Layout.BINARY_ONE_UNIT, "linear")
    found: Calibrated = calibrate(raw, targets, BINARY, method="platt", intervals=False)
    assert isinstance(getattr(found, f"plot_{plot}")(), Figure)


def test_tuned_prediction_sets_are_part_of_the_head() -> None:
    raw, targets = rows(Layout.MULTICLASS, "linear")
    found = calibrate(raw, targets, THREE, objective="coverage>=0.9", intervals=False)
    assert isinstance(found.head.decision, Argmax)
    assert found.head.decision.prediction_set is not None
    assert found.head.predict(raw).sets is not None
