"""When a head does not answer, what it answers besides, and who asked for it: request, card or default."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from pydantic import TypeAdapter

from headwise.errors import InvalidCardError, InvalidRequestError
from headwise.heads import Abstain, Argmax, Cost, Head, Identity, Options, PerLabel, PredictionSet, Threshold, VennAbers
from headwise.heads.decisions import Decision, Rule

NO_YES, ABC = ("no", "yes"), ("a", "b", "c")
SETS = PredictionSet("lac", 0.9, {"0.9": 0.7, "0.5": 0.2})
COSTS = ((0.0, 1.0, 4.0), (1.0, 0.0, 1.0), (4.0, 1.0, 0.0))
ROWS = np.array([[0.85, 0.1, 0.05], [0.45, 0.35, 0.2], [0.0, 0.31, 0.69], [0.35, 0.34, 0.31]])
PLAIN = Head("multiclass", "softmax", ABC)
FULL = replace(PLAIN, decision=Argmax("f1", Abstain(floor=0.5), SETS, 2))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Argmax(abstain=Abstain(floor=0.69)), [0, -1, 2, -1]),
        (Argmax(abstain=Abstain(margin=0.11)), [0, -1, 2, -1]),
        (Argmax(abstain=Abstain(margin=0.05)), [0, 0, 2, -1]),
        (Argmax(abstain=Abstain(floor=0.4, margin=0.2)), [0, -1, 2, -1]),
        (Argmax(abstain=Abstain(set=True), prediction_set=SETS), [0, -1, -1, -1]),
        (Cost(COSTS, abstain=Abstain(cost=0.5)), [0, -1, 2, -1]),
        (Argmax(abstain=Abstain()), [0, 0, 2, 0]),
    ],
)
def test_a_row_is_not_answered_where_any_condition_says_so(rule: Any, expected: list[int]) -> None:
    said = replace(PLAIN, decision=rule).predict(ROWS)

    assert said.indices is not None
    assert said.indices.tolist() == expected
    assert said.indices.dtype == np.int64
    if rule.abstain == Abstain():
        assert said.abstained is None
        return
    assert said.abstained is not None
    assert said.abstained.tolist() == [index < 0 for index in expected]
    labels = said.labels
    assert isinstance(labels, np.ndarray)
    assert labels.tolist() == [None if index < 0 else ABC[index] for index in expected]


@given(arrays(np.float64, 8, elements=st.floats(0, 1)), st.floats(0.5, 1))
def test_a_binary_head_answers_where_its_larger_probability_reaches_the_floor(
    p: NDArray[np.float64], floor: float
) -> None:
    head = Head("binary", "sigmoid", NO_YES, decision=Threshold(0.3, abstain=Abstain(floor=floor)))

    said = head.predict(p)

    assert said.abstained is not None
    assert said.abstained.tolist() == (np.maximum(p, 1 - p) < floor).tolist()
    assert said.indices is not None
    assert (said.indices[~said.abstained] == (p >= 0.3)[~said.abstained]).all()


def test_an_ordinal_head_abstains_by_its_class_probabilities() -> None:
    head = Head("ordinal", "sigmoid", ABC, decision=Threshold(abstain=Abstain(floor=0.6)))

    said = head.predict([[0.9, 0.8], [0.6, 0.3]])

    assert said.indices is not None
    assert said.indices.tolist() == [2, -1]


def test_probabilities_sets_and_ranks_are_told_where_the_head_abstains_too() -> None:
    said = FULL.predict(ROWS)

    assert said.probabilities is not None
    assert said.probabilities.tolist() == ROWS.tolist()
    assert said.sets is not None
    assert said.sets.tolist() == [[True, False, False], [True, True, False], [False, True, True], [True, True, True]]
    assert said.top is not None
    assert said.top.tolist() == [[0, 1], [0, 1], [2, 1], [0, 1]]


def test_a_sequence_abstains_position_by_position() -> None:
    said = FULL.predict(ROWS.reshape(2, 2, 3))

    assert said.abstained is not None
    assert said.abstained.tolist() == [[False, True], [False, True]]
    assert said.sets is not None
    assert said.sets.shape == (2, 2, 3)
    assert said.labels.tolist() == [["a", None], ["c", None]]  # type: ignore[union-attr]


def test_an_interval_of_the_positive_class_is_told() -> None:
    head = Head("binary", "linear", NO_YES, calibration=VennAbers((0.0,), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)))

    said = head.predict(np.array([[-1.0], [0.0], [1.0]]))

    assert said.intervals is not None
    np.testing.assert_allclose(said.intervals, [[[0.1, 0.4]], [[0.2, 0.5]], [[0.3, 0.6]]])
    assert Head("binary", "linear", NO_YES).predict([1.0]).intervals is None


@pytest.mark.parametrize(
    ("head", "options", "expected"),
    [
        (
            PLAIN,
            Options(),
            {
                "rule": "argmax",
                "source": "default",
                "abstain": None,
                "abstain_source": "default",
                "prediction_set": None,
                "prediction_set_source": "default",
                "coverage": None,
                "coverage_source": "default",
                "top_k": None,
                "top_k_source": "default",
                "objective": None,
            },
        ),
        (
            FULL,
            Options(),
            {
                "source": "card",
                "abstain": Abstain(floor=0.5),
                "abstain_source": "card",
                "prediction_set": SETS,
                "prediction_set_source": "card",
                "coverage": 0.9,
                "coverage_source": "card",
                "top_k": 2,
                "top_k_source": "card",
                "objective": "f1",
            },
        ),
        (FULL, Options(abstain=Abstain()), {"abstain": None, "abstain_source": "request", "source": "card"}),
        (FULL, Options(abstain=Abstain(set=True)), {"abstain": Abstain(set=True), "abstain_source": "request"}),
        (FULL, Options(coverage=0.5), {"coverage": 0.5, "coverage_source": "request", "prediction_set_source": "card"}),
        (FULL, Options(top_k=1), {"top_k": 1, "top_k_source": "request"}),
        (
            FULL,
            Options(decision=Cost(COSTS, abstain=Abstain(cost=1.0))),
            {
                "rule": "cost",
                "source": "request",
                "objective": None,
                "abstain": Abstain(cost=1.0),
                "abstain_source": "request",
                "coverage": 0.9,
                "coverage_source": "card",
                "top_k": 2,
                "top_k_source": "card",
            },
        ),
        (
            FULL,
            Options(decision=Argmax(prediction_set=replace(SETS, coverage=0.5), top_k=3)),
            {
                "coverage": 0.5,
                "coverage_source": "request",
                "prediction_set_source": "request",
                "abstain_source": "card",
                "top_k": 3,
                "top_k_source": "request",
            },
        ),
        (
            Head("binary", "sigmoid", NO_YES, decision=Threshold(0.4, {"x": 0.1}, "f1", Abstain(floor=0.7))),
            Options("x"),
            {"cuts": (0.1,), "name": "x", "objective": None, "abstain": Abstain(floor=0.7), "abstain_source": "card"},
        ),
        (
            Head("multilabel", "sigmoid", ABC, decision=PerLabel({"a": 0.1, "b": 0.2, "c": 0.3}, "f1 (macro)", 2)),
            Options(),
            {"cuts": (0.1, 0.2, 0.3), "objective": "f1 (macro)", "top_k": 2, "top_k_source": "card"},
        ),
        (
            Head("ordinal", "linear", ABC),
            Options(decision=Threshold(0.2)),
            {"rule": "threshold", "cuts": (0.2,), "source": "request"},
        ),
    ],
)
def test_each_part_is_said_by_the_request_or_else_the_card_or_else_the_default(
    head: Head, options: Options, expected: dict[str, Any]
) -> None:
    applied = head.resolve(options)

    assert {name: getattr(applied, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("head", "options", "text"),
    [
        (PLAIN, {"coverage": 0.9}, "coverage is 0.9, but the card has no prediction_set: `headwise calibrate"),
        (FULL, {"coverage": 0.8}, "coverage is 0.8: the card has quantiles for 0.9, 0.5"),
        (FULL, {"coverage": 1.0}, "coverage is 1.0: it must lie between 0 and 1, both excluded"),
        (PLAIN, {"abstain": Abstain(set=True)}, "abstain by set needs a prediction_set, and there is none"),
        (PLAIN, {"abstain": Abstain(cost=1.0)}, "abstain by cost needs the rule 'cost', and the rule is 'argmax'"),
        (
            replace(PLAIN, decision=Cost(COSTS, abstain=Abstain(cost=1.0))),
            {"decision": Argmax()},
            "the rule is 'argmax'; the card asks for it: send another abstain, or {} to answer every row",
        ),
        (PLAIN, {"decision": Threshold()}, "decision: decision rule 'threshold' does not fit a multiclass head"),
        (PLAIN, {"decision": Cost(((0, 1), (1, 0)))}, "decision: costs has 2 rows and columns: the head has 3 classes"),
        (PLAIN, {"coverage": "0.9"}, "coverage is '0.9': it must be a finite number"),
        (PLAIN, {"threshold": [0.5]}, "threshold is [0.5]: it must be a finite number"),
        (PLAIN, {"top_k": 1.5}, "top_k is 1.5: it must be a whole number from 1"),
        (PLAIN, {"decision": {"rule": "argmax"}}, "one of headwise's Threshold, PerLabel, Argmax, Cost"),
        (PLAIN, {"abstain": {"floor": 0.5}}, "one of headwise's Abstain"),
        (
            Head("multilabel", "sigmoid", ABC),
            {"abstain": Abstain(floor=0.5)},
            "a multilabel head does not abstain: only binary, multiclass and ordinal heads do",
        ),
        (
            Head("binary", "sigmoid", NO_YES),
            {"threshold": 0.5, "decision": Threshold()},
            "threshold and decision are both given: send one of them",
        ),
        (Head("regression", "linear"), {"abstain": Abstain(floor=0.5)}, "a regression head does not abstain"),
        (Head("regression", "linear"), {"decision": Argmax()}, "does not fit a regression head, which takes: none"),
        (Head("binary", "tanh", NO_YES), {"abstain": Abstain(floor=0.5)}, "abstain and coverage do not apply to it"),
        (
            Head("binary", "tanh", NO_YES, calibration=Identity()),
            {"decision": Threshold(0.3)},
            "a tanh margin without calibrator has no probability",
        ),
    ],
)
def test_what_a_head_does_not_have_is_refused(head: Head, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        head.resolve(Options(**options))

    assert text in str(caught.value)


@pytest.mark.parametrize(
    "rule",
    [
        Threshold(0.3, {"x": 0.1}, "f1", Abstain(margin=0.1), SETS, 2),
        PerLabel({"a": 0.1}, "f1 (macro)", 3),
        Argmax(None, Abstain(floor=0.9, set=True), PredictionSet("raps", 0.9, {"0.9": (0.1, 1 / 3)}, 0.1, 1, 7)),
        Cost(COSTS, "cost", Abstain()),
    ],
)
def test_a_rule_survives_json_bit_for_bit(rule: Rule) -> None:
    document = json.dumps(asdict(rule))

    assert TypeAdapter(Decision).validate_json(document) == rule


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"floor": 0.0}, "floor is 0.0: it must lie above 0, and be 1 or less"),
        ({"floor": 1.1}, "floor is 1.1"),
        ({"floor": float("nan")}, "floor is nan"),
        ({"margin": -0.1}, "margin is -0.1"),
        ({"cost": -1.0}, "cost is -1.0: it must be finite and not below 0"),
        ({"cost": float("inf")}, "cost is inf"),
        ({"floor": "0.5"}, "floor is '0.5': it must be a finite number"),
        ({"set": "yes"}, "set is 'yes': it must be true or false"),
    ],
)
def test_what_is_no_abstention_is_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidCardError, match=text):
        Abstain(**fields)
