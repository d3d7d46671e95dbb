"""The catalogue's entries that data shows: what each finds, how sure it is, and that right data raises no alarm."""

from __future__ import annotations

import numpy as np
import pytest

from headwise.diagnostics.catalogue import CATALOGUE, diagnose
from headwise.diagnostics.data import DataFacts, observe
from headwise.diagnostics.facts import Facts
from headwise.heads import Head
from headwise.savedmodel.training_config import Metric
from support.diagnoses import codes, facts

BATCH = np.random.default_rng(0)
YES_NO = ("no", "yes")
ABC = ("a", "b", "c")
LOGIT = Head("binary", "linear", YES_NO)
ROWS = 240
LOGITS = BATCH.normal(scale=3, size=(ROWS, 3))
SIGMOIDS = 1 / (1 + np.exp(-LOGITS))
SOFTMAXES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
CLASSES = BATCH.integers(0, 3, ROWS)
BITS = np.concatenate([BATCH.integers(0, 2, (ROWS, 3)), np.ones((1, 3))])[-ROWS:]
THREE = Head("multiclass", "softmax", ABC)
MANY = Head("multilabel", "sigmoid", ABC)
LOGITS3 = Head("multiclass", "linear", ABC)


def data(raw: object = None, targets: object = None) -> DataFacts:
    return observe(raw, targets)  # type: ignore[arg-type]


IN_DATA = [
    (
        "classes under one sigmoid",
        facts("sigmoid", 1, "binary_crossentropy", False, data=data(None, CLASSES)),
        ["HW103"],
    ),
    (
        "classes under a binary card",
        facts("sigmoid", 1, declared=Head("binary", "sigmoid", YES_NO), data=data(None, CLASSES)),
        ["HW103"],
    ),
    ("counts under a sigmoid", facts("sigmoid", 1, "mean_squared_error", data=data(None, CLASSES)), ["HW128"]),
    ("1 and 2 under bce", facts("sigmoid", 1, "binary_crossentropy", False, data=data(None, [1, 2, 1])), ["HW113"]),
    ("a gap under bce", facts("sigmoid", 1, "binary_crossentropy", False, data=data(None, [0, np.nan])), ["HW113"]),
    ("one log-softmax unit", facts("log_softmax", 1, data=data(np.zeros((32, 1)))), ["HW101"]),
    ("-1 and 1 under bce", facts("linear", 1, "binary_crossentropy", True, data=data(None, [-1, 1])), ["HW113"]),
    (
        "classes numbered from 1",
        facts("softmax", 3, "sparse_categorical_crossentropy", False, data=data(None, CLASSES + 1)),
        ["HW113"],
    ),
    (
        "one-hot rows under the sparse loss",
        facts("softmax", 3, "sparse_categorical_crossentropy", False, data=data(None, np.eye(3)[CLASSES])),
        ["HW113"],
    ),
    (
        "indices under the categorical loss",
        facts("softmax", 3, "categorical_crossentropy", False, data=data(None, CLASSES)),
        ["HW113"],
    ),
    (
        "halves as classes",
        facts("softmax", 3, "sparse_categorical_crossentropy", False, data=data(None, [0.5, 1, 2])),
        ["HW113"],
    ),
    ("a class more than the card", facts("softmax", 3, declared=THREE, data=data(None, [0, 1, 3])), ["HW113"]),
    ("two columns of values for classes", facts("softmax", 3, declared=THREE, data=data(None, [[0, 7]])), ["HW113"]),
    ("indices for labels", facts("sigmoid", 3, declared=MANY, data=data(None, CLASSES)), ["HW113"]),
    ("a label too few", facts("sigmoid", 4, "binary_crossentropy", False, data=data(None, BITS)), ["HW113"]),
    ("a constant head", facts("sigmoid", 1, data=data(np.full((32, 1), 0.3))), ["HW114"]),
    ("a constant unit", facts("linear", 3, data=data(LOGITS * [1, 0, 1])), ["HW114"]),
    ("a saturated head", facts("softmax", 3, data=data(np.eye(3)[CLASSES])), ["HW115"]),
    ("a saturated sigmoid", facts("sigmoid", 1, data=data(np.tile([1.0, 0.2, 0.3], 20))), ["HW115"]),
    ("logits declared sigmoid", Facts("o", declared=MANY, data=data(LOGITS)), ["HW118"]),
    ("rows that miss 1", Facts("o", declared=THREE, data=data(SIGMOIDS)), ["HW118"]),
    ("NaN", Facts("o", declared=LOGITS3, data=data(np.where(LOGITS > 3, np.nan, LOGITS))), ["HW118"]),
    ("infinity", Facts("o", declared=LOGIT, data=data([[1.0], [np.inf]])), ["HW118"]),
    ("probabilities declared logits", Facts("o", declared=LOGITS3, data=data(SOFTMAXES)), ["HW119"]),
    ("one probability declared a logit", Facts("o", declared=LOGIT, data=data(SIGMOIDS[:, 0])), ["HW119"]),
    ("values a sigmoid cannot reach", facts("sigmoid", 1, "mean_squared_error", data=data(None, [0.1, 37])), ["HW128"]),
    (
        "one-hot rows on sigmoids",
        facts("sigmoid", 3, "binary_crossentropy", False, data=data(None, np.eye(3)[CLASSES])),
        ["HW129"],
    ),
]


@pytest.mark.parametrize(("of", "expected"), [row[1:] for row in IN_DATA], ids=[row[0] for row in IN_DATA])
def test_what_data_shows_is_found_and_nothing_else(of: Facts, expected: list[str]) -> None:
    assert codes(of) == expected


RIGHT_DATA = [
    facts("sigmoid", 1, "binary_crossentropy", False, data=data(SIGMOIDS[:, :1], BITS[:, :1])),
    facts("sigmoid", 1, "binary_crossentropy", False, data=data(SIGMOIDS[:, 0], BITS[:, 0])),
    facts("sigmoid", 1, "binary_crossentropy", False, data=data(None, SIGMOIDS[:, 0])),  # soft targets
    facts("sigmoid", 1, "binary_crossentropy", False, data=data(None, [0, 0])),
    facts("linear", 1, "binary_crossentropy", True, data=data(LOGITS[:, 0], BITS[:, 0])),
    facts("softmax", 3, "sparse_categorical_crossentropy", False, data=data(SOFTMAXES, CLASSES)),
    facts("softmax", 3, "sparse_categorical_crossentropy", False, data=data(SOFTMAXES, CLASSES[:, None])),
    facts("softmax", 3, "categorical_crossentropy", False, data=data(SOFTMAXES, np.eye(3)[CLASSES])),
    facts("softmax", 3, "categorical_crossentropy", False, data=data(SOFTMAXES, SOFTMAXES)),
    facts("sigmoid", 3, "binary_crossentropy", False, data=data(SIGMOIDS, BITS)),
    facts("sigmoid", 3, declared=MANY, data=data(SIGMOIDS, BITS)),
    facts("linear", 3, declared=LOGITS3, data=data(LOGITS, CLASSES)),
    facts("softmax", 3, declared=THREE, data=data(SOFTMAXES.astype(np.float16), CLASSES)),
    facts("log_softmax", 3, data=data(np.where(SOFTMAXES < 1e-5, -np.inf, np.log(SOFTMAXES)))),
    facts("linear", 2, declared=Head("ordinal", "linear", ABC), data=data(LOGITS[:, :2], CLASSES)),
    facts("linear", 1, "mean_squared_error", data=data(LOGITS[:, 0], LOGITS[:, 0] * 40)),
    facts("linear", 1, declared=Head("regression", "linear"), data=data(LOGITS[:, 0] * 9, LOGITS[:, 0] * 40)),
    facts("linear", 1, "mean_squared_error", None, (Metric("accuracy"),), data=data(None, BITS[:, 0])),
    facts("linear", 1, "hinge", data=data(None, [-1, 1, 1])),
    # tags along a sequence: (rows, steps, classes) with indices (rows, steps)
    facts(
        "softmax",
        3,
        "sparse_categorical_crossentropy",
        False,
        data=data(SOFTMAXES.reshape(80, 3, 3), np.eye(3, dtype=int)[CLASSES[:80]]),
    ),
    Facts("o", declared=LOGIT, data=data(SIGMOIDS[:50, 0])),  # too few to say that it is no logit
    Facts("o", declared=LOGITS3, data=data([[0.2, 0.3, 0.5]])),
    facts("linear", 3, declared=LOGITS3, data=data(SOFTMAXES)),  # the graph proves that they are logits
    facts("sigmoid", 1, data=data([[0.5], [0.5]])),
    facts("softmax", 3, data=data(np.array([[1e-9, 0.0, 1.0]] * 20 + [[0.1, 0.3, 0.6]] * 4))),
]


@pytest.mark.parametrize("of", RIGHT_DATA)
def test_data_that_is_right_raises_no_alarm(of: Facts) -> None:
    assert codes(of) == []


def severities(of: Facts) -> list[str]:
    return [found.severity for found in diagnose(of)]


def test_an_error_is_only_a_warning_where_answers_may_be_right() -> None:
    foreign = Facts("o", declared=LOGIT, fingerprint="1", card_fingerprint="2")
    last = facts("sigmoid", 1, "binary_crossentropy", True, path=("Dense",))
    behind = facts("sigmoid", 1, "binary_crossentropy", True, path=("Reshape", "Dense"))

    assert severities(foreign) == ["warning"]
    assert severities(last) == ["warning"]
    assert severities(behind) == ["error"]
    assert severities(facts("sigmoid", 1, beneath="tanh")) == ["warning"]
    assert severities(facts("sigmoid", 1, beneath="sigmoid")) == ["error"]
    assert severities(Facts("o", declared=LOGIT, data=data(SIGMOIDS[:, 0]))) == ["warning"]
    assert severities(Facts("o", declared=LOGITS3, data=data(SOFTMAXES))) == ["error"]


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (facts("sigmoid", 1, beneath="sigmoid"), "0.5 to 0.731, so it is never below 0.5"),
        (facts("sigmoid", 1, beneath="relu"), "0.5 to 1, so it is never below 0.5"),
        (facts("sigmoid", 1, beneath="relu6"), "0.5 to 0.998, so it is never below 0.5"),
        (facts("sigmoid", 1, beneath="tanh"), "0.269 to 0.731"),
        (facts("sigmoid", 1, beneath="log_sigmoid"), "0 to 0.5"),
        (facts("softmax", 3, beneath="softmax"), "no class of 3 can have more than 0.576"),
        (facts("tanh", 1, beneath="sigmoid"), "0 to 0.762, so it is never negative"),
        (facts("sigmoid", 1, declared=LOGIT, path=("Identity", "Sigmoid dense")), "sigmoid (Sigmoid dense)"),
        (facts("sigmoid", 1, golden="record 0: 0.91 instead of 0.13"), "record 0: 0.91 instead of 0.13"),
        (facts("softmax", 3, "binary_crossentropy", False), "3 softmax units under binary_crossentropy: "),
        (facts("sigmoid", 1, data=data(np.full((32, 1), 0.3))), "the output is the same for all 32 rows"),
        (facts("linear", 3, data=data(LOGITS * [1, 0, 1])), "unit 1 gives the same number for all 240 rows"),
        (facts("linear", 2, declared=LOGIT, data=data(LOGITS[:, :1] * [-1, 1])), "varies 0 times as much"),
    ],
)
def test_the_message_gives_this_heads_figures(of: Facts, words: str) -> None:
    (found,) = diagnose(of)

    assert words in found.message
    assert found.where == "output_0"
    assert found.fix == CATALOGUE[found.code].fix
