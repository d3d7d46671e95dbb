"""The catalogue: what each check finds, and that a head which is right raises no alarm."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from headwise.diagnostics.catalogue import CATALOGUE, code_in, diagnose, errors_first
from headwise.diagnostics.diagnostic import Diagnostic
from headwise.diagnostics.facts import Facts
from headwise.errors import InvalidCardError
from headwise.heads import HEAD_TABLE, Head, Legal, Platt, Refused
from headwise.savedmodel.detected import UNKNOWN
from headwise.savedmodel.training_config import Metric
from support.diagnoses import codes, facts

PROMISED = {f"HW{number}" for number in range(101, 133)}
YES_NO = ("no", "yes")
ABC = ("a", "b", "c")


def test_every_code_is_there_and_says_all() -> None:
    assert set(CATALOGUE) == PROMISED
    for code, entry in CATALOGUE.items():
        assert entry.code == code
        assert entry.severity in ("error", "warning", "info")
        for text in (entry.title, entry.what, entry.why, entry.fix, entry.example):
            assert text.strip()
        assert entry.what.endswith(".")
        assert entry.why.endswith(".")
        assert entry.fix.endswith(".")


def test_errors_come_first_and_the_rest_keeps_its_order() -> None:
    info = Diagnostic("A", "info", "", "", "")
    warning, error, later = (replace(info, severity=severity) for severity in ("warning", "error", "info"))

    assert errors_first([info, warning, error, later]) == (error, warning, info, later)


@pytest.mark.parametrize("cell", [c for row in HEAD_TABLE.values() for c in row.values() if isinstance(c, Refused)])
def test_every_refused_cell_names_its_entry(cell: Refused) -> None:
    assert cell.code in CATALOGUE


@pytest.mark.parametrize(
    ("task", "activation", "labels", "units", "code"),
    [
        ("multiclass", "sigmoid", ABC, 3, "HW102"),
        ("binary", "softmax", YES_NO, 1, "HW101"),
        ("multilabel", "softmax", ABC, 3, "HW107"),
        ("multiclass", "tanh", ABC, 3, "HW125"),
        ("ordinal", "softmax", ABC, 2, "HW126"),
        ("regression", "softmax", (), 1, "HW127"),
        ("regression", "sigmoid", (), 1, "HW128"),
        ("multiclass", "linear", ABC, 2, "HW109"),
    ],
)
def test_a_refused_card_names_the_code(
    task: str, activation: str, labels: tuple[str, ...], units: int, code: str
) -> None:
    with pytest.raises(InvalidCardError) as refused:
        Head(task, activation, labels).layout(units)  # type: ignore[arg-type]

    assert code_in(str(refused.value)) == code


@pytest.mark.parametrize("text", ["", "labels holds 'HW999' more than once", "XHW101", "HW1011", "HW10"])
def test_other_texts_name_none(text: str) -> None:
    assert code_in(text) is None


CALIBRATED = Head("binary", "linear", YES_NO, calibration=Platt(1.0, 0.0))
LOGIT = Head("binary", "linear", YES_NO)
FOUND = [
    # what, the facts, the codes
    ("one softmax unit", facts("softmax", 1), ["HW101"]),
    ("one log-softmax unit", facts("log_softmax", 1), ["HW101"]),
    ("one softmax unit without a card", facts("softmax", 1, cardless=True), ["HW101"]),
    ("one softmax unit on the card alone", facts(UNKNOWN, 1, labels=2, dtype="float32"), []),
    ("sigmoids under a categorical loss", facts("sigmoid", 3, "sparse_categorical_crossentropy"), ["HW102"]),
    ("two sigmoids declared binary", facts("sigmoid", 2, declared=Head("binary", "sigmoid", YES_NO)), ["HW102"]),
    ("one sigmoid for four labels", facts("sigmoid", 1, labels=4), ["HW103"]),
    ("bce on logits", facts("linear", 1, "binary_crossentropy", False), ["HW104"]),
    ("focal on logits", facts("linear", 1, "binary_focal_crossentropy", False), ["HW104"]),
    ("Keras's own choice of crossentropy", facts("linear", 1, "crossentropy", False), ["HW104"]),
    ("dice on logits", facts("linear", 1, "dice"), ["HW104"]),
    ("categorical loss on logits", facts("linear", 3, "categorical_crossentropy", False), ["HW104"]),
    ("from_logits on a sigmoid", facts("sigmoid", 1, "binary_crossentropy", True), ["HW105"]),
    ("from_logits on a softmax", facts("softmax", 3, "sparse_categorical_crossentropy", True), ["HW105"]),
    (
        "accuracy on a logit",
        facts("linear", 1, "binary_crossentropy", True, (Metric("accuracy"),)),
        ["HW106"],
    ),
    ("recall on a logit", facts("linear", 1, "binary_crossentropy", True, (Metric("recall", 0.5),)), ["HW106"]),
    ("accuracy on a margin", facts("tanh", 1, "hinge", None, (Metric("accuracy"),)), ["HW106"]),
    ("bce on a softmax", facts("softmax", 3, "binary_crossentropy", False), ["HW107"]),
    ("a double sigmoid", facts("sigmoid", 1, declared=LOGIT), ["HW108"]),
    ("logits declared probabilities", facts("linear", 1, declared=Head("binary", "sigmoid", YES_NO)), ["HW108"]),
    ("relu declared a logit", facts("relu", 1, declared=LOGIT), ["HW108"]),
    ("a sigmoid declared an unbounded value", facts("sigmoid", 1, declared=Head("regression", "linear")), ["HW108"]),
    ("labels that do not fit", facts("softmax", 3, labels=2), ["HW109"]),
    ("more labels than a softmax has units", facts("softmax", 3, labels=4), ["HW109"]),
    ("a card that does not fit", facts("linear", 4, declared=Head("multiclass", "linear", ABC)), ["HW109"]),
    ("mse on a declared logit", facts("linear", 1, "mean_squared_error", declared=LOGIT), ["HW110"]),
    ("mse and labels", facts("linear", 1, "huber", labels=2), ["HW110"]),
    ("relu under bce", facts("relu", 1, "binary_crossentropy", False), ["HW111"]),
    ("relu with labels", facts("relu", 3, labels=3), ["HW111"]),
    ("two softmax units", facts("softmax", 2, "sparse_categorical_crossentropy", False), ["HW112"]),
    ("two logits", facts("linear", 2, declared=LOGIT), ["HW112"]),
    ("another model's calibration", Facts("o", declared=CALIBRATED, fingerprint="1", card_fingerprint="2"), ["HW116"]),
    ("sigmoid on sigmoid", facts("sigmoid", 1, beneath="sigmoid"), ["HW117"]),
    ("sigmoid on relu", facts("sigmoid", 1, beneath="relu"), ["HW117"]),
    ("softmax on softmax", facts("softmax", 3, beneath="softmax"), ["HW117"]),
    ("tanh on relu", facts("tanh", 1, beneath="relu"), ["HW117"]),
    ("golden records", facts("sigmoid", 1, golden="record 0 differs"), ["HW120"]),
    ("a categorical loss on one unit", facts("sigmoid", 1, "categorical_crossentropy", False), ["HW121"]),
    ("a categorical loss on one logit", facts("linear", 1, "sparse_categorical_crossentropy", True), ["HW121"]),
    (
        "accuracy on labels",
        facts("sigmoid", 3, "binary_crossentropy", False, (Metric("accuracy"),)),
        ["HW122"],
    ),
    (
        "argmax of one unit",
        facts("sigmoid", 1, "binary_crossentropy", False, (Metric("categorical_accuracy"),)),
        ["HW122"],
    ),
    ("exact equality", facts("sigmoid", 1, "binary_crossentropy", False, (Metric("exact_accuracy"),)), ["HW122"]),
    (
        "auc on logits",
        facts("linear", 1, "binary_crossentropy", True, (Metric("auc", from_logits=False),)),
        ["HW122"],
    ),
    (
        "cells counted one by one",
        facts("softmax", 10, "categorical_crossentropy", False, (Metric("binary_accuracy", 0.5),)),
        ["HW122"],
    ),
    ("accuracy of a quantity", facts("linear", 1, "mean_squared_error", None, (Metric("accuracy"),)), ["HW122"]),
    (
        "crossentropy of logits",
        facts("linear", 1, "binary_crossentropy", True, (Metric("binary_crossentropy", from_logits=False),)),
        ["HW122"],
    ),
    ("half precision", facts("softmax", 3, dtype="float16"), ["HW123"]),
    ("no card", facts("sigmoid", 1, cardless=True), ["HW124"]),
    ("no card and nothing known", facts(UNKNOWN, None, cardless=True), ["HW124"]),
    ("tanh under bce", facts("tanh", 1, "binary_crossentropy", False), ["HW125"]),
    ("hinge on a sigmoid", facts("sigmoid", 1, "hinge"), ["HW130"]),
    ("poisson on a linear unit", facts("linear", 1, "poisson"), ["HW131"]),
]


@pytest.mark.parametrize(("of", "expected"), [row[1:] for row in FOUND], ids=[row[0] for row in FOUND])
def test_what_is_wrong_is_found_and_nothing_else(of: Facts, expected: list[str]) -> None:
    assert codes(of) == expected


RIGHT = [
    facts("sigmoid", 1, "binary_crossentropy", False, (Metric("accuracy"), Metric("auc", from_logits=False))),
    facts("sigmoid", 1, "mean_squared_error", None, (Metric("accuracy"),)),
    facts("linear", 1, "binary_crossentropy", True, (Metric("binary_accuracy", 0.0), Metric("auc", from_logits=True))),
    facts(
        "linear", 1, "binary_crossentropy", True, (Metric("precision", 0.0), Metric("recall", 0.3), Metric("f1_score"))
    ),
    facts("softmax", 3, "sparse_categorical_crossentropy", False, (Metric("accuracy"),)),
    facts("softmax", 3, "categorical_crossentropy", False, (Metric("categorical_accuracy"), Metric("auc"))),
    facts("softmax", 3, "mean_squared_error", None, (Metric("accuracy"),)),
    facts("softmax", 3, "kl_divergence", None, (Metric("accuracy"),)),
    facts("softmax", 3, "dice"),
    facts("log_softmax", 3, "sparse_categorical_crossentropy", True),
    facts("linear", 3, "sparse_categorical_crossentropy", True, (Metric("accuracy"),)),
    facts("linear", 3, "categorical_crossentropy", True, (Metric("top_k_categorical_accuracy"),)),
    facts("sigmoid", 4, "binary_crossentropy", False, (Metric("binary_accuracy", 0.5), Metric("auc"))),
    facts("linear", 4, "binary_crossentropy", True, (Metric("binary_accuracy", 0.0),)),
    facts("sigmoid", 4, "binary_focal_crossentropy", False, (Metric("f1_score", 0.5),)),
    facts("linear", 1, "mean_squared_error", None, (Metric("mean_absolute_error"), Metric("r2_score"))),
    facts("linear", 2, "mean_absolute_error"),
    facts("softplus", 1, "poisson"),
    facts("relu", 1, "mean_squared_error", declared=Head("regression", "linear")),
    facts("exponential", 1, "mean_squared_logarithmic_error"),
    facts("sigmoid", 1, "mean_squared_error", declared=Head("regression", "sigmoid", range=(0, 1))),
    facts("linear", 1, "hinge", None, (Metric("binary_accuracy", 0.0),)),
    facts("tanh", 1, "hinge", declared=Head("binary", "tanh", YES_NO)),
    facts("linear", 3, "categorical_hinge", None, (Metric("accuracy"),)),
    facts("linear", 8, "cosine_similarity"),
    facts("linear", 3, "custom", None, (Metric("custom"),)),
    facts("relu", 16, "custom"),
    facts("relu", 16),
    facts(UNKNOWN, None, "binary_crossentropy", False, (Metric("accuracy"),)),
    facts(UNKNOWN, 1, declared=LOGIT),
    facts("linear", None, "binary_crossentropy", True, (Metric("accuracy"),)),
    facts("hard_sigmoid", 1, "binary_crossentropy", False, declared=Head("binary", "sigmoid", YES_NO)),
    facts("linear", 2, declared=Head("ordinal", "linear", ABC)),
    facts("linear", 2, "binary_crossentropy", True, labels=3),
    facts("softmax", 3, beneath="relu", dtype="float32"),
    facts("softmax", 3, beneath="log_softmax"),
    facts("sigmoid", 1, labels=2, dtype="float32"),
    facts("log_softmax", 3, dtype="float16"),
    Facts("o", declared=CALIBRATED, fingerprint="1", card_fingerprint="1"),
    Facts("o", declared=CALIBRATED, fingerprint="1"),
    Facts("o", declared=CALIBRATED, card_fingerprint="1"),
    Facts("o"),
]


@pytest.mark.parametrize("of", RIGHT)
def test_a_head_that_is_right_raises_no_alarm(of: Facts) -> None:
    assert codes(of) == []


def _legal_heads() -> list[Facts]:
    units = {"binary, 1 unit": 1, "binary, 2 units": 2, "multiclass, N >= 2": 3, "multilabel, N >= 1": 3}
    found = []
    for layout, row in HEAD_TABLE.items():
        task = re.split(r"\W", layout)[0]
        labels = {"binary": YES_NO, "regression": ()}.get(task, ABC)
        for activation, cell in row.items():
            if isinstance(cell, Legal):
                head = Head(task, activation, labels, range=cell.value_range)  # type: ignore[arg-type]
                found.append(facts(activation, units.get(layout, 1 if task == "regression" else 2), declared=head))
    return found


@pytest.mark.parametrize("of", _legal_heads())
def test_every_legal_head_on_its_own_graph_is_at_most_worth_knowing(of: Facts) -> None:
    assert {found.severity for found in diagnose(of)} <= {"info"}


@pytest.mark.parametrize(
    ("activation", "units", "words"),
    [
        ("sigmoid", 1, "the graph shows one sigmoid unit: binary"),
        ("sigmoid", 3, "the graph shows 3 sigmoid units: multilabel"),
        ("sigmoid", None, "the graph shows a sigmoid output: binary, or multilabel"),
        ("softmax", 2, "binary"),
        ("softmax", None, "binary, or multiclass"),
        ("hard_sigmoid", 1, "one hard_sigmoid unit: binary"),
        ("softmax", 5, "multiclass"),
        ("linear", None, "raw logits of a classifier, or a regression; only you know which"),
        ("relu", 1, "a regression at most"),
        (UNKNOWN, 1, "the graph does not show what made this output"),
    ],
)
def test_without_a_card_the_message_says_what_one_could_declare(activation: str, units: int | None, words: str) -> None:
    (message,) = (found.message for found in diagnose(facts(activation, units, cardless=True)) if found.code == "HW124")

    assert message.endswith(words)


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        (("Sigmoid dense/Sigmoid",), "warning"),
        (
            ("StatefulPartitionedCall call", "Identity Identity", "PartitionedCall x", "IdentityN y", "Sigmoid z"),
            "warning",
        ),
        (("Identity Identity", "Reshape reshape", "Sigmoid dense/Sigmoid"), "error"),
    ],
)
def test_logits_behind_the_very_last_step_are_milder_and_calls_are_no_steps(
    path: tuple[str, ...], severity: str
) -> None:
    known = facts("sigmoid", 1, "binary_crossentropy", True)
    assert known.detected is not None
    found = diagnose(replace(known, detected=replace(known.detected, path=path)))

    assert {one.severity for one in found if one.code == "HW105"} == {severity}
