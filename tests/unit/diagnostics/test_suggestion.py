"""The command line that would write a missing card."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from headwise.diagnostics.suggestion import suggest
from headwise.savedmodel import SavedModel, Signature, TensorSpec
from headwise.savedmodel.detected import UNKNOWN, DetectedHead

FOLDER = Path("my models/m/3")


def model(**outputs: tuple[str, int | None]) -> SavedModel:
    specs = {name: TensorSpec("float32", (None, units)) for name, (_, units) in outputs.items()}
    heads = {name: DetectedHead(activation, units) for name, (activation, units) in outputs.items()}
    return SavedModel({"serving_default": Signature({}, specs)}, None, "", {"serving_default": heads})


@pytest.mark.parametrize(
    ("activation", "units", "shown", "arguments"),
    [
        ("sigmoid", 1, "sigmoid, 1 unit", "--labels NEGATIVE,POSITIVE"),
        ("softmax", 3, "softmax, 3 units", "--labels CLASS0,CLASS1,CLASS2"),
        ("softmax", 1000, "softmax, 1000 units", "--labels-from LABELS.txt"),
        ("linear", 2, "linear, 2 units", "--labels NEGATIVE,POSITIVE --task binary"),
        ("linear", 3, "linear, 3 units", "--labels CLASS0,CLASS1,CLASS2 --task multiclass"),
        (UNKNOWN, 1, "of unknown activation, 1 unit", "--labels NEGATIVE,POSITIVE --activation ACTIVATION"),
    ],
)
def test_one_output(activation: str, units: int, shown: str, arguments: str) -> None:
    suggestion = suggest(FOLDER, model(y=(activation, units)))
    assert suggestion is not None
    assert suggestion.attach is not None
    assert suggestion.shown == f"y is {shown}"
    assert str(suggestion) == f"y is {shown}: {suggestion.attach}"
    command, _, choices = suggestion.attach.partition(" (")
    assert shlex.split(command) == ["headwise", "attach", str(FOLDER), *arguments.split()]
    assert ("--task multilabel if labels may hold together" in choices) == ("--task" in arguments)
    assert ("--task regression without labels" in choices) == (activation == "linear")


def test_several_outputs_are_named_and_what_can_have_no_head_is_left_out() -> None:
    suggestion = suggest(FOLDER, model(a=("sigmoid", 1), b=("softmax", 2), c=("relu", 8)))
    assert str(suggestion).endswith("--labels a=NEGATIVE,POSITIVE --labels b=NEGATIVE,POSITIVE")


def test_what_can_have_no_head_says_why() -> None:
    suggestion = suggest(FOLDER, model(y=("softmax", 1)))
    assert suggestion is not None
    assert suggestion.attach is None
    assert str(suggestion).startswith("y can have no head: ")
    assert "one softmax unit is always 1" in str(suggestion)


def test_a_model_without_the_default_signature_is_asked_for_its_first() -> None:
    (signature,), (heads,) = model(y=("sigmoid", 1)).signatures.values(), model(y=("sigmoid", 1)).detected.values()
    suggestion = suggest(FOLDER, SavedModel({"b": signature, "a": signature}, None, "", {"b": heads, "a": heads}))
    assert "--signature a --labels NEGATIVE,POSITIVE" in str(suggestion)


def test_nothing_is_said_of_a_model_without_floating_rows() -> None:
    scalar = SavedModel(
        {"serving_default": Signature({}, {"n": TensorSpec("float32", ())})},
        None,
        "",
        {"serving_default": {"n": DetectedHead(UNKNOWN, None)}},
    )
    assert suggest(FOLDER, scalar) is None
    assert suggest(FOLDER, SavedModel({}, None, "")) is None
