"""Answers are counted by label, abstention and confidence, whatever batches they come in; what is gone is forgotten."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise.heads import Abstain, Head, Options, Prediction
from headwise.telemetry.answers import MOST_LABELS, Answers
from headwise.telemetry.metric_table import METRICS
from headwise.telemetry.report import Report

LABELS, ABSTENTIONS, CONFIDENCE = (
    "headwise_predicted_labels_total",
    "headwise_abstentions_total",
    "headwise_confidence_ratio",
)
BINARY = Head("binary", "sigmoid", ("no", "yes"))
UNSURE = Options(abstain=Abstain(floor=0.9))
OF = ("m", "1", "y")


def answer(head: Head, *rows: Any, options: Options | None = None) -> Prediction:
    return head.answer(np.array(rows, np.float32), options or Options())


def told(answers: Answers) -> dict[str, dict[str, float]]:
    """Of one head: labels, and what was abstained from under the empty name."""
    report = answers.report()
    labels = {key[3]: figure for key, (figure,) in report[LABELS].items()}
    return {"labels": labels, "abstained": {key[2]: figure for key, (figure,) in report[ABSTENTIONS].items()}}


def test_labels_and_abstentions_add_up_over_batches() -> None:
    answers = Answers()
    answers.add("m", 1, "y", answer(BINARY, [0.97], [0.2]))
    answers.add("m", 1, "y", answer(BINARY, [0.97], [0.2], options=UNSURE))
    assert told(answers) == {"labels": {"no": 1, "yes": 2}, "abstained": {"y": 1}}
    answers.add("m", 1, "y", answer(BINARY, [0.1]))
    assert told(answers)["labels"] == {"no": 2, "yes": 2}


def test_how_sure_answers_are_is_told_in_buckets() -> None:
    answers = Answers()
    answers.add("m", 1, "y", answer(BINARY, [0.5], [0.97], [0.03], [1.0]))
    *counts, summed = answers.report()[CONFIDENCE][OF]
    found = dict(zip(METRICS[CONFIDENCE].buckets, counts, strict=False))
    assert {bound: count for bound, count in found.items() if count} == {0.5: 1, 0.99: 2, 1.0: 1}
    assert counts[-1] == 0
    assert summed == pytest.approx(0.5 + 0.97 + 0.97 + 1.0)


def test_each_label_of_a_row_counts_and_a_position_counts_as_a_row() -> None:
    answers = Answers()
    answers.add("m", 1, "y", answer(Head("multilabel", "sigmoid", ("a", "b", "c")), [0.9, 0.1, 0.8], [0.1, 0.2, 0.3]))
    assert told(answers) == {"labels": {"a": 1, "b": 0, "c": 1}, "abstained": {"y": 0}}
    tags = Answers()
    tags.add("m", 1, "y", answer(Head("multiclass", "softmax", ("a", "b")), [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]))
    assert told(tags)["labels"] == {"a": 1, "b": 2}
    assert sum(tags.report()[CONFIDENCE][OF][:-1]) == 3


def test_a_regression_has_neither_labels_nor_confidence() -> None:
    answers = Answers()
    answers.add("m", 1, "y", answer(Head("regression", "linear"), [1.5]))
    assert answers.report() == {LABELS: {}, ABSTENTIONS: {}, CONFIDENCE: {}}


def test_what_is_not_counted_is_not_kept() -> None:
    answers = Answers()
    regression = answer(Head("regression", "linear"), *([1.0] * 100))
    margins = answer(Head("binary", "tanh", ("no", "yes")), *([0.5] * 5000))
    kept = [weakref.ref(array) for array in (regression.values, margins.margins, margins.indices) if array is not None]
    assert len(kept) == 3
    answers.add("m", 1, "y", regression)
    answers.add("m", 1, "z", margins)
    del regression, margins
    assert [one() for one in kept] == [None] * 3
    assert told(answers)["labels"] == {"no": 0, "yes": 5000}


def test_a_head_of_many_labels_tells_the_first_and_the_others_together() -> None:
    classes = tuple(map(str, range(100)))
    answers = Answers()
    answers.add("m", 1, "y", answer(Head("multiclass", "softmax", classes), *np.eye(100, dtype=np.float32)))
    labels = told(answers)["labels"]
    assert len(labels) == MOST_LABELS + 1
    assert (labels["0"], labels[str(MOST_LABELS - 1)], labels["other"]) == (1, 1, 100 - MOST_LABELS)


def test_a_card_that_is_replaced_goes_on_with_its_own_labels() -> None:
    answers = Answers()
    answers.add("m", 1, "y", answer(BINARY, [0.9]))
    answers.add("m", 1, "y", answer(Head("binary", "sigmoid", ("no", "indeed")), [0.9], [0.1]))
    assert told(answers)["labels"] == {"no": 1, "yes": 1, "indeed": 1}


@given(st.lists(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=5), min_size=1, max_size=150))
def test_batches_that_are_counted_together_come_to_the_same(batches: list[list[float]]) -> None:
    together, alone = Answers(), Answers()
    for rows in batches:
        together.add("m", 1, "y", answer(BINARY, *([row] for row in rows)))
        alone.add("m", 1, "y", answer(BINARY, *([row] for row in rows)))
        alone.report()
    assert told(together) == told(alone)
    assert together.report()[CONFIDENCE][OF] == pytest.approx(alone.report()[CONFIDENCE][OF])


def test_a_version_that_is_gone_is_told_of_for_ten_minutes() -> None:
    known, now = {("m", "1"), ("m", "2")}, [0.0]
    answers = Answers(lambda: known, clock=lambda: now[0])
    for version in (1, 2):
        answers.add("m", version, "y", answer(BINARY, [0.9]))
    known.remove(("m", "1"))

    def versions() -> set[str]:
        return {key[1] for rows in answers.report().values() for key in rows}

    assert versions() == {"1", "2"}
    now[0] = 599.0
    assert versions() == {"1", "2"}
    now[0] = 601.0
    assert versions() == {"2"}
    known.add(("m", "1"))
    answers.add("m", 1, "y", answer(BINARY, [0.9]))
    assert answers.report()[LABELS][*OF, "yes"] == [1], "it begins anew"


def test_one_process_goes_on_from_what_another_told_and_forgets_that_too() -> None:
    first = Answers()
    first.add("m", 1, "y", answer(BINARY, [0.97], [0.2], options=UNSURE))
    now = [0.0]
    known = {("m", "1")}
    before: Report = {**first.report(), "headwise_model_version": {("m",): [1.0]}}
    second = Answers(lambda: known, before, clock=lambda: now[0])
    assert second.report() == first.report()
    second.add("m", 1, "y", answer(BINARY, [0.97]))
    assert told(second) == {"labels": {"no": 0, "yes": 2}, "abstained": {"y": 1}}
    known.clear()
    second.report()
    now[0] = 601.0
    assert second.report() == {LABELS: {}, ABSTENTIONS: {}, CONFIDENCE: {}}
