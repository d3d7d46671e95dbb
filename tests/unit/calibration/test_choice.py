"""The choice: what is taken from rows of every form, what is refused, and what is told."""

from __future__ import annotations

import time

import numpy as np
import pytest

from headwise.calibration.choice import FOLDS, Choice, choose
from headwise.calibration.fitting.fitters import FITTERS
from headwise.calibration.folds import deal, out_of_fold
from headwise.calibration.samples import Samples
from headwise.errors import CalibrationError
from headwise.heads.calibrators import EachLabel, Identity, Temperature, TemperatureMixture
from headwise.heads.scores import Form
from support.logits import drawn


def notes(choice: Choice) -> dict[str, str]:
    return {candidate.method: candidate.note for candidate in choice.candidates}


@pytest.mark.parametrize("form", list(Form))
def test_a_model_that_is_too_sure_gets_a_temperature(form: Form) -> None:
    samples = drawn(form, rows=400, stretch=3.0)
    choice = choose(samples, seed=1)
    assert choice.calibrator == FITTERS["temperature"](samples)
    assert choice.reason.startswith("temperature lowers the held-out log loss by ")
    assert notes(choice)["temperature"] == ""
    assert notes(choice)["identity"] == "temperature surely does better"
    assert choice.warnings == ()
    assert choice.folds == FOLDS
    np.testing.assert_array_equal(
        choice.out_of_fold, out_of_fold(samples, FITTERS["temperature"], deal(samples, FOLDS, 1))
    )


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("rows", [60, 400])
def test_a_model_that_is_right_is_left_alone(form: Form, rows: int) -> None:
    choice = choose(drawn(form, rows=rows, seed=2))
    assert choice.calibrator == Identity()
    assert choice.reason.startswith("No calibrator surely improves held-out rows; the best, ")
    assert notes(choice)["identity"] == ""
    assert all(note for method, note in notes(choice).items() if method != "identity")


def test_a_model_that_is_surely_wrong_on_some_rows_gets_a_mixture() -> None:
    assert isinstance(choose(drawn(Form.MULTICLASS, rows=1500, stretch=1.5, wrong=0.1)).calibrator, TemperatureMixture)


def test_a_binary_model_that_leans_gets_a_shift() -> None:
    samples = drawn(Form.BINARY, rows=800)
    choice = choose(Samples(samples.logits + 1.5, samples.targets, Form.BINARY, 2))
    assert choice.calibrator.method == "platt"


def test_classes_that_are_stretched_and_shifted_by_themselves_get_vector_scaling() -> None:
    samples = drawn(Form.MULTICLASS, rows=1000)
    odd = samples.logits * np.array([0.5, 1.0, 1.5, 2.0]) + np.array([1.0, -1.0, 0.0, 0.5])
    choice = choose(Samples(odd, samples.targets, Form.MULTICLASS, 4))
    assert choice.calibrator.method == "vector"


def test_few_rows_get_a_temperature_or_nothing() -> None:
    choice = choose(drawn(Form.BINARY, rows=40, stretch=8.0))
    assert isinstance(choice.calibrator, Temperature)
    assert choice.warnings == ("40 rows are few: give 50 or more, and a few hundred for more than a temperature",)
    assert {notes(choice)[method] for method in ("temperature_mixture", "platt", "beta", "isotonic")} == {
        "not fitted: 40 rows, and it takes 150"
    }


def test_a_rare_positive_class_gets_no_more_than_a_temperature() -> None:
    samples = drawn(Form.BINARY, rows=800)
    rare = samples.take(np.r_[np.flatnonzero(samples.targets == 0), np.flatnonzero(samples.targets == 1)[:4]])
    choice = choose(rare)
    assert notes(choice)["platt"] == "not fitted: 4 rows of one class, and it takes 10 of either"
    assert choice.warnings[0] == "fewer than 5 rows are of class 1: little can be said about them"


def test_a_class_without_rows_is_told() -> None:
    samples = drawn(Form.MULTICLASS, rows=300)
    choice = choose(samples.take(np.flatnonzero(samples.targets != 2)))
    assert choice.warnings == ("no row is of class 2: nothing of their own could be fitted",)


def test_a_temperature_at_its_bound_is_told() -> None:
    samples = drawn(Form.BINARY, rows=100, stretch=60.0)
    choice = choose(samples)
    assert isinstance(choice.calibrator, Temperature)
    assert choice.warnings == ("the temperature hit its bound, 20: the logits hardly fit these labels",)


@pytest.mark.parametrize("form", list(Form))
def test_one_class_is_an_error(form: Form) -> None:
    samples = drawn(form, rows=30)
    one = np.ones_like(samples.targets)
    with pytest.raises(CalibrationError, match="calibration needs"):
        choose(Samples(samples.logits, one, form, samples.classes))


@pytest.mark.parametrize("form", [Form.BINARY, Form.CUMULATIVE, Form.CONDITIONAL])
def test_labels_in_reverse_order_are_an_error(form: Form) -> None:
    samples = drawn(form, rows=300, stretch=2.0)
    with pytest.raises(CalibrationError, match="in reverse order"):
        choose(Samples(samples.logits, samples.classes - 1 - samples.targets, form, samples.classes))


def test_a_label_has_its_own_calibrator_only_where_that_surely_pays() -> None:
    samples = drawn(Form.MULTILABEL, rows=600, seed=1)
    logits = samples.logits.copy()
    logits[:, 1] = logits[:, 1] * 0.7 + 2.0
    choice = choose(Samples(logits, samples.targets, Form.MULTILABEL, 3))
    assert isinstance(choice.calibrator, EachLabel)
    assert choice.calibrator.calibrators[1].method == "platt"
    assert "platt for label 1" in choice.reason
    assert choice.out_of_fold.shape == (600, 3)
    assert notes(choice)["per_label"] == ""


@pytest.mark.parametrize(("labels", "expected"), [(3, EachLabel), (40, Identity)])
def test_one_label_of_many_has_to_show_more(labels: int, expected: type) -> None:
    """The same label is too sure in both; among 40, one gains as much by chance."""
    alone = drawn(Form.BINARY, rows=200, stretch=1.6, seed=6)
    random = np.random.default_rng(1)
    logits = random.normal(0, 1.5, (200, labels))
    on = random.random(logits.shape) < 1 / (1 + np.exp(-logits))
    logits[:, 0], on[:, 0] = alone.logits[:, 0], alone.targets == 1
    assert isinstance(choose(Samples(logits, on, Form.MULTILABEL, labels)).calibrator, expected)


def test_a_label_that_is_never_on_has_nothing_of_its_own() -> None:
    samples = drawn(Form.MULTILABEL, rows=400, stretch=3.0)
    targets = samples.targets & np.array([True, True, False])
    choice = choose(Samples(samples.logits - np.array([0, 0, 9.0]), targets, Form.MULTILABEL, 3))
    assert choice.warnings == ("no row is of label 2: nothing of their own could be fitted",)
    assert choice.calibrator.method in {"temperature", "per_label"}


def test_logits_without_signal_say_why_a_method_was_not_fitted() -> None:
    random = np.random.default_rng(0)
    samples = Samples(random.normal(0, 0.1, (400, 1)), random.integers(2, size=400), Form.BINARY, 2)
    choice = choose(samples)
    assert choice.calibrator == Identity()
    assert notes(choice)["platt"].startswith("not fitted: the slope is -0.656, 0.6 standard errors below 0; ")


def test_labels_of_a_calibrated_model_are_left_alone() -> None:
    choice = choose(drawn(Form.MULTILABEL, rows=600))
    assert choice.calibrator == Identity()
    assert notes(choice)["per_label"] == "no label's own calibrator surely beats the shared one"


def test_the_same_rows_and_seed_give_the_same_choice() -> None:
    samples = drawn(Form.MULTICLASS, rows=300, stretch=2.0)
    first, second = choose(samples, seed=3), choose(samples, seed=3)
    assert first.calibrator == second.calibrator
    assert first.candidates == second.candidates


def test_the_whole_choice_takes_less_than_a_second() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (1000, 10))
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    samples = Samples(logits, random.integers(10, size=1000), Form.MULTICLASS, 10)
    choose(samples.take(np.arange(200)))
    start = time.process_time()
    choose(samples)
    assert time.process_time() - start < 2.0
