"""Heads from graph, layers, loss and labels: what is known is used, what is not known is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from headwise.diagnostics.facts import Facts
from headwise.diagnostics.proposal import Proposal
from headwise.errors import InvalidCardError
from headwise.heads import Head
from headwise.savedmodel.detected import UNKNOWN, DetectedHead
from headwise.savedmodel.keras import KerasModel, KerasOutput
from headwise.savedmodel.signature import Signature, TensorSpec
from headwise.savedmodel.training_config import UNTRAINED, Loss, TrainingConfig
from headwise.training.exporting.inference import Said, infer
from headwise.training.rows import Names

CROSSENTROPY = TrainingConfig(Loss("binary_crossentropy", from_logits=True))
SQUARES = TrainingConfig(Loss("mean_squared_error"))
NOBODY = Names(())


def facts(name: str, activation: str, units: int, training: TrainingConfig = UNTRAINED) -> Facts:
    return Facts(name, DetectedHead(activation, units, ("BiasAdd",)), training=training, dtype="float32")


def inferred(
    said: Said,
    *outputs: Facts,
    layers: Mapping[str, DetectedHead] | None = None,
    names: Names = NOBODY,
) -> dict[str, Proposal]:
    source = KerasModel("model", {name: KerasOutput(head, UNTRAINED) for name, head in (layers or {}).items()})
    signature = Signature({}, {"output_0": TensorSpec("int32", (None, 1))})
    return infer({known.where: known for known in outputs}, source, said, names, signature)


def test_a_head_is_inferred_from_graph_loss_and_labels_and_says_why() -> None:
    (found,) = inferred(Said(labels=["a", "b"]), facts("output_0", "linear", 1, CROSSENTROPY)).values()

    assert found.head == Head("binary", "linear", ("a", "b"))
    assert found.because[0].startswith("activation linear: read from the graph")


def test_the_layers_speak_where_the_graph_does_not_which_is_told() -> None:
    layers = {"output_0": DetectedHead("sigmoid", 1)}
    (found,) = inferred(Said(labels=["a", "b"]), facts("output_0", UNKNOWN, 1), layers=layers).values()

    assert found.head.activation == "sigmoid"
    assert found.because[0] == "activation sigmoid: read from the layers, not verified: the graph does not show it"


def test_layers_and_graph_that_contradict_each_other_are_refused() -> None:
    layers = {"output_0": DetectedHead("sigmoid", 1)}
    with pytest.raises(
        InvalidCardError, match=r"output_0: its layers end in sigmoid, but the exported graph ends in lin"
    ):
        inferred(Said(labels=["a", "b"]), facts("output_0", "linear", 1), layers=layers)


def test_the_user_speaks_where_neither_shows_the_activation() -> None:
    with pytest.raises(InvalidCardError, match="--activation"):
        inferred(Said(labels=["a", "b"]), facts("output_0", UNKNOWN, 1))
    (found,) = inferred(Said(labels=["a", "b"], activation="sigmoid"), facts("output_0", UNKNOWN, 1)).values()

    assert found.head.activation == "sigmoid"


def test_given_heads_are_taken_as_they_are() -> None:
    head = Head("binary", "linear", ("a", "b"))
    one = inferred(Said(heads=head), facts("output_0", "linear", 1))
    by_name = inferred(Said(heads={"output_0": head}), facts("output_0", UNKNOWN, 1))

    assert one == by_name == {"output_0": Proposal(head, ("given",))}


def test_outputs_that_named_labels_leave_out_get_a_head_only_where_it_is_known_without_labels() -> None:
    outputs = (
        facts("output_0", "linear", 1, CROSSENTROPY),
        facts("output_1", "linear", 1, SQUARES),
        facts("output_2", "relu", 32),
    )
    found = inferred(Said(labels={"output_0": ["a", "b"]}), *outputs)

    assert {name: one.head.task for name, one in found.items()} == {"output_0": "binary", "output_1": "regression"}


def test_keras_names_of_outputs_are_understood() -> None:
    names = Names((), {"risk": "output_0", "kind": "output_1"})
    outputs = (facts("output_0", "linear", 1, CROSSENTROPY), facts("output_1", "linear", 3))
    found = inferred(
        Said(labels={"risk": ["a", "b"], "kind": ["x", "y", "z"]}, task={"kind": "multilabel"}), *outputs, names=names
    )

    assert {name: one.head.task for name, one in found.items()} == {"output_0": "binary", "output_1": "multilabel"}


@pytest.mark.parametrize(
    ("said", "outputs", "reason"),
    [
        pytest.param({}, [facts("output_0", "linear", 1, CROSSENTROPY)], "no labels are given", id="no labels"),
        pytest.param({"labels": "ab"}, [facts("output_0", "linear", 1)], "'ab': a list of texts", id="one text"),
        pytest.param({"labels": {"a", "b"}}, [facts("output_0", "linear", 1)], "a set, which has no order", id="a set"),
        pytest.param(
            {"labels": {"output_0": frozenset("ab")}},
            [facts("output_0", "linear", 1)],
            "a frozenset, which has no order",
            id="a set by name",
        ),
        pytest.param(
            {"labels": range(3)},
            [facts("output_0", "softmax", 3, TrainingConfig(Loss("sparse_categorical_crossentropy")))],
            r'give texts, such as \["0", "1", "2"\]',
            id="numbers",
        ),
        pytest.param(
            {"labels": ["a", "b"]},
            [facts("output_0", "linear", 1), facts("output_1", "linear", 1)],
            "one list of labels is given for 2 outputs: give each by name, from output_0, output_1",
            id="labels for which output",
        ),
        pytest.param(
            {"labels": {"risk": ["a", "b"]}},
            [facts("output_0", "linear", 1)],
            "labels: 'risk' is no output that a head can read; these are: output_0",
            id="labels of no output",
        ),
        pytest.param(
            {"labels": {}}, [facts("output_0", "linear", 1)], "no output has a head", id="labels that name nothing"
        ),
        pytest.param(
            {"labels": ["a", "b"]}, [], r"outputs are output_0 int32 \(\?, 1\): a head reads an", id="nothing floating"
        ),
        pytest.param(
            {"labels": ["a", "b", "c"]}, [facts("output_0", "linear", 3)], "say it with --task", id="no one task"
        ),
        pytest.param(
            {"labels": ["a", "b"]},
            [facts("output_0", "softmax", 1)],
            r"^output_0: .* \(HW101\)$",
            id="an error of the catalogue",
        ),
    ],
)
def test_what_cannot_be_known_is_asked_for(said: dict[str, Any], outputs: list[Facts], reason: str) -> None:
    with pytest.raises(InvalidCardError, match=reason):
        inferred(Said(**said), *outputs)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"heads": ["a", "b"]}, r"heads is \['a', 'b'\]: it must be a headwise.Head, .*; did you mean labels="),
        ({"heads": {"output_0": "risk"}}, "it must be a headwise.Head, or heads by output name"),
        ({"heads": Head("regression", "linear"), "task": "regression"}, "heads and task are given: give heads, or"),
        ({"heads": {}, "labels": ["a"], "activation": "linear"}, "heads and labels and activation are given"),
    ],
)
def test_heads_are_heads_and_stand_alone(said: dict[str, Any], reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        Said(**said)
