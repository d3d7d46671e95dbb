"""The choice: what is taken from rows of every form, what is refused, and what is told."""

from __future__ import annotations

import numpy as np
import pytest

from headwise.calibration.bayes.grid import LEAST, MOST
from headwise.calibration.bayes.posterior import bets
from headwise.calibration.choice import FOLDS, Choice, _at_bound, choose
from headwise.calibration.fitting.fitters import FITTERS
from headwise.calibration.folds import deal, out_of_fold
from headwise.calibration.samples import Samples
from headwise.calibration.selection import PLENTY
from headwise.errors import CalibrationError
from headwise.heads.calibrators import AnyCalibrator, EachLabel, Identity, Temperature, TemperatureMixture
from headwise.heads.scores import Form
from support.logits import drawn, losses


def notes(choice: Choice) -> dict[str, str]:
    return {candidate.method: candidate.note for candidate in choice.candidates}


@pytest.mark.parametrize("form", list(Form))
def test_many_rows_of_a_model_that_is_too_sure_give_the_fitted_temperature(form: Form) -> None:
    samples = drawn(form, rows=PLENTY, stretch=3.0)
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
@pytest.mark.parametrize("rows", [50, 400])
def test_few_rows_of_a_model_that_is_too_sure_give_the_best_bet(form: Form, rows: int) -> None:
    samples = drawn(form, rows=rows, stretch=3.0)
    choice = choose(samples, seed=1)
    found = {method: bet for method, bet in bets(samples, Identity()).items() if not bet.objection()}
    method = min(found, key=lambda method: found[method].change)
    assert choice.calibrator == found[method].calibrator
    assert notes(choice)[method] == ""
    fresh = drawn(form, rows=4000, stretch=3.0, seed=7)
    before, after = (losses(by, fresh).mean() for by in (Identity(), choice.calibrator))
    assert after < 0.9 * before


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


def test_a_bet_that_loses_on_held_out_rows_is_not_taken() -> None:
    samples = drawn(Form.BINARY, rows=40, stretch=1.5, seed=1)
    assert bets(samples, Identity())["temperature"].objection() == ""
    choice = choose(samples)
    assert notes(choice)["temperature"] == "no gain"
    assert choice.calibrator.method != "temperature"


def test_few_rows_get_nothing_of_many_parameters() -> None:
    choice = choose(drawn(Form.BINARY, rows=40, stretch=8.0))
    assert choice.calibrator.method in {"temperature", "temperature_mixture", "platt"}
    assert choice.warnings == (
        "40 rows are few: give 50 or more, and a few hundred for calibrators of many parameters",
    )
    assert {notes(choice)[method] for method in ("beta", "isotonic", "venn_abers")} == {
        "not fitted: 40 rows, and it takes 150"
    }


def test_a_rare_positive_class_gets_few_parameters() -> None:
    samples = drawn(Form.BINARY, rows=800)
    rare = samples.take(np.r_[np.flatnonzero(samples.targets == 0), np.flatnonzero(samples.targets == 1)[:4]])
    choice = choose(rare)
    assert choice.calibrator.method == "platt"
    assert notes(choice)["beta"] == "not fitted: 4 rows of one class, and it takes 10 of either"
    assert choice.warnings[0] == "fewer than 5 rows are of class 1: little can be said about them"


def test_a_class_without_rows_is_told() -> None:
    samples = drawn(Form.MULTICLASS, rows=300)
    choice = choose(samples.take(np.flatnonzero(samples.targets != 2)))
    assert choice.warnings == ("no row is of class 2: nothing of their own could be fitted",)


@pytest.mark.parametrize(
    ("calibrator", "bound"),
    [
        (Temperature(20.0), "20"),
        (Temperature(MOST), "19.5"),
        (TemperatureMixture(LEAST, 0.1), "0.25"),
        (EachLabel((Identity(), Temperature(0.05))), "0.05"),
    ],
)
def test_a_temperature_at_its_bound_is_told(calibrator: AnyCalibrator, bound: str) -> None:
    assert _at_bound(calibrator) == [f"the temperature hit its bound, {bound}: the logits hardly fit these labels"]


def test_a_temperature_within_its_bounds_is_not() -> None:
    assert _at_bound(Temperature(3.0)) == []


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
    assert choice.calibrator.calibrators[1].method == "beta"
    assert "beta for label 1" in choice.reason
    assert choice.out_of_fold.shape == (600, 3)
    assert notes(choice)["per_label"] == ""


def test_one_label_of_many_has_to_show_more() -> None:
    """The same label is too sure in both; among 12, one gains as much by chance, so it gets less of a change."""
    alone = drawn(Form.BINARY, rows=200, stretch=1.6, seed=6)
    random = np.random.default_rng(1)
    logits = random.normal(0, 1.5, (200, 12))
    on = random.random(logits.shape) < 1 / (1 + np.exp(-logits))
    logits[:, 0], on[:, 0] = alone.logits[:, 0], alone.targets == 1

    def of_first(labels: int) -> float:
        found = choose(Samples(logits[:, :labels], on[:, :labels], Form.MULTILABEL, labels)).calibrator
        assert isinstance(found, EachLabel)
        first = found.calibrators[0]
        assert isinstance(first, Temperature | TemperatureMixture)
        return first.temperature

    assert 1.0 < of_first(12) < of_first(3)


def test_a_label_that_is_never_on_has_nothing_of_its_own() -> None:
    samples = drawn(Form.MULTILABEL, rows=400, stretch=3.0)
    targets = samples.targets & np.array([True, True, False])
    choice = choose(Samples(samples.logits - np.array([0, 0, 9.0]), targets, Form.MULTILABEL, 3))
    assert choice.warnings == ("no row is of label 2: nothing of their own could be fitted",)
    each = choice.calibrator.calibrators if isinstance(choice.calibrator, EachLabel) else (choice.calibrator,) * 3
    assert isinstance(each[2], Temperature)


def test_logits_without_signal_say_why_a_method_was_not_fitted() -> None:
    random = np.random.default_rng(0)
    samples = Samples(random.normal(0, 0.1, (400, 1)), random.integers(2, size=400), Form.BINARY, 2)
    choice = choose(samples)
    assert choice.calibrator == Identity()
    assert notes(choice)["beta"].startswith("not fitted: both slopes are 0: ")
    assert notes(choice)["platt"] == "no gain is to be expected"


def test_labels_of_a_calibrated_model_are_left_alone() -> None:
    choice = choose(drawn(Form.MULTILABEL, rows=600))
    assert choice.calibrator == Identity()
    assert notes(choice)["per_label"] == "no label's own calibrator surely beats the shared one"


def test_the_same_rows_and_seed_give_the_same_choice() -> None:
    samples = drawn(Form.MULTICLASS, rows=300, stretch=2.0)
    first, second = choose(samples, seed=3), choose(samples, seed=3)
    assert first.calibrator == second.calibrator
    assert first.candidates == second.candidates
