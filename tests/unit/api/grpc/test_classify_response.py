"""Answers become headwise.v1 messages."""

import math
from typing import Any

import numpy as np
import pytest

from headwise.api.grpc.classify_response import classification
from headwise.api.grpc.tensors import arrays
from headwise.gateway import BatchAnswer, HeadAnswer
from headwise.heads import Abstain, Argmax, Cost, Head, HeadCard, Options, PredictionSet, Prior
from headwise.heads.calibrators import EachLabel, Identity, Temperature, VennAbers
from headwise.repository.cards import CardFile
from headwise.repository.served_model import ServedModel
from headwise.v1 import classification_service_pb2 as v1

NO_OPTIONS = Options()
CLASSES = ("a", "b", "c")
PRIOR = Prior((0.25, 0.5, 0.25), (0.25, 0.25, 0.5))
VENN_ABERS = VennAbers((0.0,), (0.125, 0.25, 0.5), (0.25, 0.5, 0.75))


def answer(head: Head, raw: Any, *include: int, dtype: str = "float64", options: Options = NO_OPTIONS) -> v1.HeadAnswer:
    output = np.asarray(raw, dtype)
    card = CardFile(HeadCard(1, {}), "d1935", b"{}")
    answered = BatchAnswer(
        ServedModel("m", 3, {}, card), {"p": HeadAnswer(head, head.answer(output, options), output)}
    ).whole
    response = classification(answered, "id-1", frozenset(include))
    assert (response.request_id, response.model_name, response.model_version) == ("id-1", "m", 3)
    said: v1.HeadAnswer = response.heads["p"]
    return said


def test_a_binary_answer() -> None:
    said = answer(Head("binary", "sigmoid", ("no", "yes")), [[0.75], [0.25]])
    assert said == v1.HeadAnswer(
        task="binary",
        classes=["no", "yes"],
        shape=[2],
        indices=[1, 0],
        labels=["yes", "no"],
        probabilities=[0.25, 0.75, 0.75, 0.25],
    )


def test_the_other_tasks() -> None:
    labels = answer(Head("multilabel", "sigmoid", ("x", "y")), [[0.75, 0.25]])
    assert (list(labels.decisions), list(labels.probabilities)) == ([True, False], [0.75, 0.25])
    values = answer(Head("regression", "linear"), [[1.0, 2.0]])
    assert (list(values.values), list(values.classes), list(values.shape)) == ([1.0, 2.0], [], [1])
    margin = answer(Head("binary", "tanh", ("no", "yes")), [-0.5])
    assert (list(margin.margins), list(margin.labels), list(margin.probabilities)) == ([-0.5], ["no"], [])
    top = answer(Head("multiclass", "softmax", ("a", "b", "c")), [[0.25, 0.5, 0.25]], options=Options(top_k=2))
    assert (list(top.top_indices), top.top_count) == ([1, 0], 2)
    steps = answer(Head("ordinal", "sigmoid", ("low", "mid", "high")), [[0.75, 0.25]])
    assert (list(steps.labels), list(steps.probabilities)) == (["mid"], [0.25, 0.5, 0.25])


def test_positions_stand_in_the_shape() -> None:
    said = answer(Head("binary", "sigmoid", ("no", "yes")), np.full((2, 3, 4, 1), 0.75))
    assert (list(said.shape), len(said.indices), len(said.probabilities)) == ([2, 3, 4], 24, 48)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_raw_numbers_come_in_their_own_type(dtype: str) -> None:
    said = answer(Head("binary", "linear", ("no", "yes")), [[0.5], [-2.0]], v1.INCLUDE_RAW, dtype=dtype)
    assert arrays({"x": said.raw})["x"].tolist() == [[0.5], [-2.0]]
    assert said.raw.data_type == v1.DataType.Value(f"DATA_TYPE_{dtype.upper()}")
    assert list(said.probabilities) == [], "only what is asked for"


def test_provenance_says_what_was_applied() -> None:
    head = Head("multilabel", "linear", ("x", "y"), calibration=Temperature(2.0))
    said = answer(head, [[0.5, 0.5]], v1.INCLUDE_PROVENANCE, v1.INCLUDE_PROBABILITIES, options=Options(0.25))
    assert said.provenance == v1.Provenance(
        activation="linear",
        calibration="temperature",
        decision_rule="threshold",
        decision_source="request",
        cuts=[0.25, 0.25],
        card_digest="d1935",
        calibration_source="card",
        prior_source="default",
        abstain_source="default",
        prediction_set_source="default",
        coverage_source="default",
        top_k_source="default",
    )
    assert len(said.probabilities) == 2
    bare = answer(Head("regression", "linear"), [[1.0]], v1.INCLUDE_PROVENANCE).provenance
    assert (bare.calibration, bare.decision_rule, bare.decision_source) == ("identity", "", "default")
    assert bare.calibration_source == "default"


def test_provenance_of_everything_a_card_may_decide() -> None:
    rule = Cost(
        ((0, 1, 1), (1, 0, 1), (4, 1, 0)), "by hand", Abstain(cost=0.25), PredictionSet("lac", 0.5, {"0.5": 0.75}), 2
    )
    head = Head("multiclass", "softmax", CLASSES, calibration=Identity(), prior=PRIOR, decision=rule)
    told = answer(
        head, [[0.25, 0.5, 0.25]], v1.INCLUDE_PROVENANCE, options=Options(abstain=Abstain(cost=0.5))
    ).provenance
    assert told == v1.Provenance(
        activation="softmax",
        calibration="identity",
        calibration_source="card",
        prior=v1.Prior(source=PRIOR.source, target=PRIOR.target),
        prior_source="card",
        decision_rule="cost",
        decision_source="card",
        objective="by hand",
        costs=[v1.CostRow(costs=row) for row in rule.costs],
        abstain=v1.Abstain(cost=0.5),
        abstain_source="request",
        prediction_set="lac",
        prediction_set_source="card",
        coverage=0.5,
        coverage_source="card",
        top_k=2,
        top_k_source="card",
        card_digest="d1935",
    )


def test_an_abstained_row_has_no_class() -> None:
    head = Head("multiclass", "softmax", CLASSES, decision=Argmax(abstain=Abstain(floor=0.75)))
    said = answer(head, [[0.25, 0.5, 0.25], [0.0, 0.125, 0.875]])
    assert (list(said.indices), list(said.labels), list(said.abstained)) == ([-1, 2], ["", "c"], [True, False])
    assert len(said.probabilities) == 6
    always = answer(head, [[0.25, 0.5, 0.25]], options=Options(abstain=Abstain()))
    assert (list(always.indices), list(always.abstained)) == ([1], [])


def test_prediction_sets_are_a_flag_a_class() -> None:
    rule = Argmax(prediction_set=PredictionSet("lac", 0.9, {"0.9": 0.75}))
    said = answer(Head("multiclass", "softmax", CLASSES, decision=rule), [[0.25, 0.5, 0.25], [1.0, 0.0, 0.0]])
    assert list(said.sets) == [True, True, True, True, False, False]


def test_intervals_come_where_they_are_wanted() -> None:
    head = Head("binary", "linear", ("no", "yes"), calibration=VENN_ABERS)
    assert list(answer(head, [[0.0], [1.0]]).intervals) == []
    wanted = answer(head, [[0.0], [1.0]], v1.INCLUDE_INTERVALS)
    assert (list(wanted.intervals), list(wanted.probabilities)) == ([0.25, 0.5, 0.5, 0.75], [])
    labels = Head("multilabel", "linear", ("x", "y"), calibration=EachLabel((VENN_ABERS, Temperature(1.0))))
    first, second = np.reshape(answer(labels, [[0.0, 0.0]], v1.INCLUDE_INTERVALS).intervals, (2, 2)).tolist()
    assert first == [0.25, 0.5]
    assert all(map(math.isnan, second))
    none = answer(Head("binary", "linear", ("no", "yes")), [[0.0]], v1.INCLUDE_INTERVALS)
    assert list(none.intervals) == []
