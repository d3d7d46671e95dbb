"""Objectives in words: each to its rule, with figures counted anew here, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score, precision_score, recall_score

from headwise.calibration.tuning.objectives import KINDS, objectives
from headwise.calibration.tuning.tune import Tuned, tune
from headwise.errors import CalibrationError
from headwise.heads import Head, Task
from headwise.heads.decisions import DEFAULTS, Abstain, Argmax, Cost, PerLabel, Rule, Threshold
from support.tuning import calibrated, posterior, shifted_classes, two_columns

Array = NDArray[Any]
BINARY = ("well", "ill")
CLASSES = ("a", "b", "c")
PRIORS = np.array([0.5, 0.3, 0.2])
SCORES, POSITIVE = calibrated(np.random.default_rng(0), 1500)
COSTS = [[0, 1, 4], [1, 0, 1], [9, 2, 0]]

EXAMPLES: dict[str, dict[Task, str]] = {
    "f1, f0.5, f2, ...[:macro|:micro]": {"binary": "f0.5", "multilabel": "f1:micro"},
    "youden[:macro|:micro]": {"binary": "youden", "multilabel": "youden"},
    "cost:FP:FN": {"binary": "cost:1:4", "multilabel": "cost:1:4"},
    "cost:[[0, 1], [5, 0]]": {
        "binary": "cost:[[0, 1], [5, 0]]",
        "multiclass": f"cost:{COSTS}",
        "ordinal": f"cost:{COSTS}",
    },
    "precision>=0.9[@0.95]": {"binary": "precision>=0.9@0.95", "multilabel": "precision>=0.9"},
    "recall>=0.9[@0.95]": {"binary": "recall>=0.9", "multilabel": "recall>=0.9@0.8"},
    "accuracy>=0.95[@0.95][:floor|:margin]": {
        "binary": "accuracy>=0.95",
        "multiclass": "accuracy>=0.95@0.8:margin",
        "ordinal": "accuracy>=0.9:floor",
    },
    "abstain:0.2": {"binary": "abstain:0.2", "multiclass": "abstain:0.2", "ordinal": "abstain:0.2"},
    "coverage>=0.95[:lac|:aps|:raps][:class]": {
        "binary": "coverage>=0.9",
        "multiclass": "coverage>=0.9:raps",
        "ordinal": "coverage>=0.95:aps:class",
    },
}


def rows_of(task: Task) -> tuple[Array, Array, tuple[str, ...]]:
    """Calibrated probabilities, targets and labels of 1,500 rows."""
    if task == "binary":
        return two_columns(SCORES), POSITIVE.astype(np.int64), BINARY
    if task == "multilabel":
        other, on = calibrated(np.random.default_rng(1), 1500, share=0.1)
        return np.stack([SCORES, other], axis=1), np.stack([POSITIVE, on], axis=1), ("wet", "cold")
    densities, targets = shifted_classes(np.random.default_rng(2), PRIORS, 1500)
    return posterior(densities, PRIORS), targets, CLASSES


def tuned(objective: str, task: Task, current: Rule | None = None) -> Tuned:
    probabilities, targets, labels = rows_of(task)
    return tune(objective, probabilities, targets, task, labels, current=current)


@pytest.mark.parametrize(
    ("task", "objective"), [(task, text) for kind in KINDS for task, text in EXAMPLES[kind.form].items()]
)
def test_every_objective_gives_a_rule_that_a_card_takes(task: Task, objective: str) -> None:
    found = tuned(objective, task)

    assert found.rule is not None, found.reason
    head = Head(task, "linear", rows_of(task)[2], decision=found.rule)
    assert head.decision == found.rule
    assert found.rule.objective == found.objective
    assert found.reason
    assert found.figures["rows"] == 1500 or ":raps" in objective
    json.dumps(found.figures, allow_nan=False)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "ordinal"])
def test_an_unknown_objective_lists_all_that_fit_the_task(task: Task) -> None:
    with pytest.raises(CalibrationError) as refused:
        tuned("accuracy", task)
    for kind in KINDS:
        assert (kind.form in str(refused.value)) == (task in kind.tasks) == (kind in objectives(task))
        assert set(EXAMPLES[kind.form]) == set(kind.tasks)


@pytest.mark.parametrize(
    ("task", "objective", "told"),
    [
        ("multiclass", "f1", "is for binary and multilabel heads; a multiclass head takes"),
        ("regression", "f1", "decides nothing"),
        ("binary", "", "does not exist"),
        ("binary", "f0", "beta must be above 0"),
        ("binary", "f1:micro", "averages over labels"),
        ("binary", "cost:0:1", "both costs must be above 0"),
        ("binary", "precision>=1.5", "1.5 must lie between 0 and 1"),
        ("binary", "precision>=0.9@1", "1 must lie between 0 and 1"),
        ("binary", "abstain:1.5", "an error costs 1"),
        ("multiclass", "cost:[[0, 1], [5, 0]]", "has 2 rows, but the head has 3 classes"),
        ("multiclass", "cost:[[0, 1, 1], [5, 0], [1, 1, 0]]", "must be square"),
        ("multiclass", "cost:[[0, 1, -1], [5, 0, 1], [1, 1, 0]]", "0 or more"),
        ("multiclass", "cost:[1, 2, 3]", "cost:.1, 2, 3"),
        ("multiclass", "cost:[oops]", "Expecting value"),
    ],
)
def test_what_is_no_objective_is_refused_with_the_reason(task: Task, objective: str, told: str) -> None:
    labels = rows_of("multiclass" if task == "regression" else task)
    with pytest.raises(CalibrationError, match=told):
        tune(objective, labels[0], labels[1], task, labels[2])


def test_figures_are_those_of_the_rows() -> None:
    figures = tuned("f1", "binary").figures
    said = figures["threshold"] <= SCORES
    assert figures["precision"] == pytest.approx(precision_score(POSITIVE, said))
    assert figures["recall"] == pytest.approx(recall_score(POSITIVE, said))
    assert figures["f1"] == pytest.approx(f1_score(POSITIVE, said), abs=0.003)
    assert figures["f1_before"] == pytest.approx(f1_score(POSITIVE, SCORES >= 0.5), abs=0.003)
    assert figures["f1_expected"] <= figures["f1"]
    low, high = figures["threshold_interval"]
    assert low <= figures["threshold"] <= high


def test_guaranteed_cuts_reach_their_target_on_the_rows_with_room_to_spare() -> None:
    for share in ("precision", "recall"):
        figures = tuned(f"{share}>=0.9", "binary").figures
        assert figures[share] > figures[f"{share}_bound"] >= 0.89
        assert figures["confidence"] == 0.9


def test_none_found_leaves_no_rule_and_says_how_many_rows_it_takes() -> None:
    found = tuned("precision>=0.999", "binary")
    assert found.rule is None
    assert "none found" in found.reason
    assert "it takes 2995 or more" in found.reason
    assert tuned("accuracy>=0.999", "multiclass").rule is None


def test_macro_tunes_each_label_and_micro_one_cut_for_all() -> None:
    probabilities, targets, labels = rows_of("multilabel")
    macro, micro = tuned("f1", "multilabel"), tuned("f1:micro", "multilabel")
    assert (macro.objective, micro.objective) == ("f1 (macro)", "f1 (micro)")
    assert isinstance(macro.rule, PerLabel)
    assert isinstance(micro.rule, Threshold)
    cuts = [macro.rule.thresholds[label] for label in labels]
    alone = [
        tune("f1", two_columns(p), y.astype(int), "binary", BINARY).rule
        for p, y in zip(probabilities.T, targets.T, strict=True)
    ]
    assert cuts == [rule.threshold for rule in alone if isinstance(rule, Threshold)]
    assert macro.figures["f1"] == pytest.approx(f1_score(targets, probabilities >= cuts, average="macro"), abs=0.003)
    assert micro.figures["f1"] == pytest.approx(
        f1_score(targets, probabilities >= micro.rule.threshold, average="micro"), abs=0.003
    )


def test_a_label_without_positive_rows_keeps_its_cut_and_is_told() -> None:
    probabilities, targets, labels = rows_of("multilabel")
    targets = targets & [True, False]
    found = tune("f1", probabilities, targets, "multilabel", labels)
    assert isinstance(found.rule, PerLabel)
    assert found.rule.thresholds["cold"] == 0.5
    assert found.rule.objective == "f1 (macro) (not 'cold')"
    assert "'cold': no row is positive, so nothing can be tuned, so it keeps 0.5" in found.reason
    both = tune("f1", probabilities, targets & False, "multilabel", labels)
    assert both.rule is None
    cost = tune("cost:1:4", probabilities, targets, "multilabel", labels).rule
    assert isinstance(cost, PerLabel)
    assert set(cost.thresholds.values()) == {0.2}


def test_a_label_with_few_positive_rows_is_told_to_be_uncertain() -> None:
    few = POSITIVE & (np.cumsum(POSITIVE) <= 5)
    found = tune("f1", two_columns(SCORES), few.astype(int), "binary", BINARY)
    assert "uncertain with 5 positive rows" in found.reason


def test_an_old_cut_that_did_better_on_the_rows_is_told() -> None:
    found = tuned("f1", "binary", Threshold(0.45))
    better = found.figures["f1_before"] > found.figures["f1"]
    assert better == ("0.45 was worth more on these rows, by less than a standard error" in found.reason)
    assert better


def test_least_expected_cost_costs_less_than_the_most_probable_class() -> None:
    probabilities, targets, _ = rows_of("multiclass")
    found = tuned(f"cost:{COSTS}", "multiclass")
    costs = np.array(COSTS)
    answers = (probabilities @ costs).argmin(axis=1)
    assert isinstance(found.rule, Cost)
    assert found.rule.costs == tuple(map(tuple, COSTS))
    assert found.figures["cost"] == pytest.approx(costs[targets, answers].mean())
    assert found.figures["cost"] < found.figures["cost_of_likeliest"]
    assert found.figures["cost_expected"] == pytest.approx(found.figures["cost"], abs=0.1)


def test_binary_costs_are_a_cost_rule_and_named_thresholds_are_told_to_go() -> None:
    found = tuned("cost:1:4", "binary", Threshold(0.3, {"screening": 0.1}, top_k=1))
    assert found.rule == Cost(((0.0, 1.0), (4.0, 0.0)), "cost:1:4", top_k=1)
    assert "the named thresholds 'screening' are gone" in found.reason
    paid = np.where(POSITIVE, 4.0 * (SCORES < 0.2), 1.0 * (SCORES >= 0.2)).mean()
    assert found.figures["cost"] == pytest.approx(paid, abs=0.003)


@pytest.mark.parametrize("kind", ["floor", "margin"])
def test_answers_given_are_as_accurate_as_asked(kind: str) -> None:
    probabilities, targets, labels = rows_of("multiclass")
    found = tuned(f"accuracy>=0.95:{kind}", "multiclass")
    assert found.rule is not None
    answers = Head("multiclass", "softmax", labels, decision=found.rule).predict(probabilities).indices
    assert answers is not None
    given = answers >= 0
    assert found.figures["answered_share"] == pytest.approx(given.mean())
    assert found.figures["accuracy"] == pytest.approx((answers == targets)[given].mean())
    assert found.figures["accuracy"] > 0.95 > found.figures["accuracy_before"]
    assert 0.4 < given.mean() < 1


def test_abstaining_at_a_price_costs_less_than_always_answering() -> None:
    plain = tuned("abstain:0.2", "multiclass")
    assert plain.rule == Argmax("abstain:0.2", Abstain(floor=0.8))
    costly = tuned("abstain:0.5", "multiclass", Cost(tuple(map(tuple, COSTS))))
    assert isinstance(costly.rule, Cost)
    assert costly.rule.abstain == Abstain(cost=0.5)
    for found in (plain, costly):
        assert found.figures["cost"] < found.figures["cost_before"]
        assert 0 < found.figures["answered_share"] < 1


def test_a_free_answer_is_never_withheld() -> None:
    found = tune("abstain:0.01", np.eye(3), np.arange(3), "multiclass", CLASSES)
    assert found.figures["answered_share"] == 1.0


def test_several_objectives_tune_what_the_ones_before_left() -> None:
    found = tuned("f2; abstain:0.3; coverage>=0.9", "binary", Threshold(thresholds={"screening": 0.1}))
    assert isinstance(found.rule, Threshold)
    assert found.rule.objective == found.objective == "f2; abstain:0.3; coverage>=0.9"
    assert found.rule.threshold == found.figures["f2"]["threshold"]
    assert found.rule.abstain == Abstain(floor=0.7)
    assert found.rule.prediction_set is not None
    assert found.rule.thresholds == {"screening": 0.1}
    again = tuned("f1", "binary", found.rule).rule
    assert again is not None
    assert again.objective == "abstain:0.3; coverage>=0.9; f1"
    partly = tuned("precision>=0.999; coverage>=0.9", "binary")
    assert isinstance(partly.rule, Threshold)
    assert partly.rule.threshold == 0.5
    assert "none found" in partly.reason


def test_a_cut_takes_the_place_of_costs() -> None:
    before = Cost(((0, 1), (4, 0)), "cost:1:4; abstain:0.1", Abstain(floor=0.6, cost=0.1), top_k=2)
    rule = tuned("f1", "binary", before).rule
    assert isinstance(rule, Threshold)
    assert rule.abstain == Abstain(floor=0.6)
    assert rule.top_k == 2


def test_a_current_rule_of_another_head_is_refused() -> None:
    with pytest.raises(CalibrationError, match="the decision to tune: "):
        tuned("f1", "binary", Argmax())


def test_it_is_the_same_for_the_same_seed_and_leaves_what_it_was_given() -> None:
    probabilities, targets, labels = rows_of("multiclass")
    kept = probabilities.copy()
    runs = [tune("coverage>=0.9:aps", probabilities, targets, "multiclass", labels, seed=seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    np.testing.assert_array_equal(probabilities, kept)
    assert DEFAULTS["multiclass"] == Argmax()
