"""What head an output is: found out where it can be, asked for where it cannot."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from headwise.diagnostics.proposal import propose
from headwise.errors import InvalidCardError, UnsupportedHeadError
from headwise.heads import HEAD_TABLE, Activation, Head, Legal, Task
from headwise.savedmodel.detected import UNKNOWN, DetectedHead
from headwise.savedmodel.training_config import UNTRAINED, Loss, TrainingConfig

AB = ("a", "b")
ABC = ("a", "b", "c")


def detected(activation: str, units: int | None) -> DetectedHead:
    return DetectedHead(activation, units, ("Identity Identity", "Op dense/Op"))


def trained(loss: str | None) -> TrainingConfig:
    return UNTRAINED if loss is None else TrainingConfig(Loss(loss))


@pytest.mark.parametrize(
    ("activation", "units", "labels", "loss", "task"),
    [
        ("linear", 1, AB, None, "binary"),
        ("sigmoid", 1, AB, None, "binary"),
        ("tanh", 1, AB, None, "binary"),
        ("softmax", 2, AB, None, "binary"),
        ("log_softmax", 2, AB, None, "binary"),
        ("softmax", 3, ABC, None, "multiclass"),
        ("log_softmax", 3, ABC, None, "multiclass"),
        ("softmax", None, ABC, None, "multiclass"),
        ("softmax", None, AB, None, "binary"),
        ("sigmoid", 2, AB, None, "multilabel"),
        ("sigmoid", 3, ABC, None, "multilabel"),
        ("hard_sigmoid", 1, AB, None, "binary"),
        # what labels leave open, the loss decides
        ("linear", 2, AB, "sparse_categorical_crossentropy", "binary"),
        ("linear", 2, AB, "binary_crossentropy", "multilabel"),
        ("linear", 3, ABC, "categorical_crossentropy", "multiclass"),
        ("linear", 3, ABC, "binary_focal_crossentropy", "multilabel"),
        ("linear", 1, (), "mean_squared_error", "regression"),
        ("linear", 4, (), "huber", "regression"),
        ("relu", 1, (), "mean_squared_error", "regression"),
        # a Brier score, hinge and cross-entropies that the activation overrules
        ("sigmoid", 1, AB, "mean_squared_error", "binary"),
        ("softmax", 3, ABC, "mean_squared_error", "multiclass"),
        ("softmax", 2, AB, "binary_crossentropy", "binary"),
        ("tanh", 1, AB, "hinge", "binary"),
        ("linear", 1, AB, "custom", "binary"),
    ],
)
def test_a_task_that_can_be_known(
    activation: str, units: int | None, labels: tuple[str, ...], loss: str | None, task: Task
) -> None:
    head = propose(detected(activation, units), trained(loss), labels).head
    assert (head.task, head.labels) == (task, labels)
    if units is not None:
        head.layout(units)


@pytest.mark.parametrize(
    ("activation", "units", "labels", "loss", "text"),
    [
        ("linear", 2, AB, None, r"2 linear units may be binary \(.*\) or multilabel \(.*\).* --task"),
        ("linear", 3, ABC, None, r"may be multiclass \(.*\) or multilabel"),
        ("linear", 3, ABC, "custom", r"may be multiclass \(.*\) or multilabel"),
        ("sigmoid", None, AB, None, r"may be binary \(.*\) or multilabel"),
        ("sigmoid", None, ABC, None, r"may be multilabel \(.*\) or ordinal"),
        (
            "linear",
            1,
            AB,
            "mean_squared_error",
            r"trains regression .*; say which it is with --task .*has no labels",
        ),
        ("linear", 3, ABC, "mean_squared_error", "trains regression"),
        ("sigmoid", 3, ABC, "categorical_crossentropy", "the loss, categorical_crossentropy, trains binary"),
        (
            "linear",
            1,
            (),
            None,
            r"\(labels= in Python\), .*\(negative, positive\); or --task regression \(task='",
        ),
        ("linear", 3, (), "categorical_crossentropy", "give --labels .*, one a class"),
        ("sigmoid", 1, (), "mean_squared_error", "give --labels"),
        ("sigmoid", 1, ABC, None, r"3 labels are given for one sigmoid unit, which needs 2 \(negative, positive\)$"),
        ("softmax", 4, ABC, None, "3 labels are given for 4 softmax units, which needs 4$"),
        ("linear", 2, ABC, None, "3 labels are given for 2 linear units, which needs 2; for ordered.*--task ordinal"),
        ("sigmoid", 1, ("a",), None, r"with one label: give both \(negative, positive\); or --task multilabel"),
        ("sigmoid", 2, ("a", "a"), None, "holds 'a' more than once"),
        ("sigmoid", 2, ("a", ""), None, "must be texts that are not empty"),
        (
            UNKNOWN,
            1,
            AB,
            None,
            r"cannot be read from the graph \(Op dense/Op\); say it with --activation \(activation= in",
        ),
        ("relu", 1, AB, None, r"ends in relu \(Op dense/Op\), which gives neither logits nor probabilities"),
    ],
)
def test_what_cannot_be_known_is_asked_for(
    activation: str, units: int | None, labels: tuple[str, ...], loss: str | None, text: str
) -> None:
    with pytest.raises(InvalidCardError, match=text):
        propose(detected(activation, units), trained(loss), labels)


@pytest.mark.parametrize("labels", [(), AB])
@pytest.mark.parametrize(("activation", "units"), [("softmax", 1), ("log_softmax", 1), ("tanh", 2)])
def test_what_no_labels_make_a_head_of(activation: str, units: int, labels: tuple[str, ...]) -> None:
    with pytest.raises(UnsupportedHeadError):
        propose(detected(activation, units), labels=labels)


def test_a_task_that_is_given_decides() -> None:
    assert propose(detected("linear", 3), labels=ABC, task="multilabel").head.task == "multilabel"
    assert propose(detected("linear", 1), trained("mean_squared_error"), AB, "binary").head.task == "binary"
    assert propose(detected("sigmoid", 1), labels=("a",), task="multilabel").head.labels == ("a",)
    ordinal = propose(detected("linear", 2), labels=ABC, task="ordinal", encoding="conditional").head
    assert (ordinal.task, ordinal.encoding) == ("ordinal", "conditional")


@pytest.mark.parametrize(
    ("activation", "declared", "value_range"),
    [("linear", "linear", None), ("relu", "linear", None), ("sigmoid", "sigmoid", (0, 1)), ("tanh", "tanh", (-1, 1))],
)
def test_a_regression_has_the_range_of_its_activation(
    activation: str, declared: str, value_range: tuple[float, float] | None
) -> None:
    head = propose(detected(activation, 2), task="regression").head
    assert (head.activation, head.range) == (declared, value_range)


@pytest.mark.parametrize(
    ("head", "labels", "task"),
    [
        (detected("softmax", 3), AB, "multiclass"),
        (detected("sigmoid", 3), ABC, "multiclass"),
        (detected("softmax", 3), ABC, "multilabel"),
        (detected("linear", 3), (), "multiclass"),
        (detected("linear", 1), AB, "regression"),
    ],
)
def test_a_task_that_is_given_cannot_be_what_the_graph_is_not(
    head: DetectedHead, labels: tuple[str, ...], task: Task
) -> None:
    with pytest.raises(InvalidCardError):
        propose(head, labels=labels, task=task)


def test_an_activation_that_is_given_stands_where_the_graph_is_silent_and_nowhere_else() -> None:
    proposal = propose(detected(UNKNOWN, 1), labels=AB, activation="sigmoid")
    assert proposal.head == Head("binary", "sigmoid", AB)
    assert "given, and not verified" in proposal.because[0]
    assert "read from the graph" in propose(detected("sigmoid", 1), labels=AB, activation="sigmoid").because[0]
    with pytest.raises(InvalidCardError, match="activation linear is given, but the graph applies sigmoid"):
        propose(detected("sigmoid", 1), labels=AB, activation="linear")
    with pytest.raises(InvalidCardError, match="activation tanh is given, but the graph applies relu"):
        propose(detected("relu", 1), task="regression", activation="tanh")


def test_the_reasons_name_the_op_and_the_loss() -> None:
    proposal = propose(detected("linear", 3), trained("categorical_crossentropy"), ABC)
    assert proposal.because == (
        "activation linear: read from the graph (Op dense/Op)",
        "task multiclass: the loss is categorical_crossentropy",
    )
    many = propose(detected("sigmoid", 3), labels=ABC)
    assert many.because[1] == "task multilabel: 3 sigmoid units cannot be anything else with these labels"
    hard = propose(detected("hard_sigmoid", 1), labels=AB)
    assert "read from the graph as hard_sigmoid" in hard.because[0]


LOSSES = (None, "binary_crossentropy", "sparse_categorical_crossentropy", "mean_squared_error", "hinge", "custom")


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("units", [1, 2, 3])
def test_a_proposal_is_a_legal_head_or_a_refusal(activation: Activation, units: int) -> None:
    for count, loss in itertools.product(range(5), LOSSES):
        labels = tuple("abcd"[:count])
        try:
            head = propose(detected(activation, units), trained(loss), labels).head
        except InvalidCardError:
            continue
        assert head.activation == activation
        assert isinstance(HEAD_TABLE[head.layout(units)][activation], Legal)
        assert head.task != "ordinal", "only a user knows that classes are ordered"
        assert (head.task == "regression") == (not labels)
