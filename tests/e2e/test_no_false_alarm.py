"""No false alarm: Keras models that are right, the nine example models, and entries' examples beside other entries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from headwise.diagnostics.catalogue import CATALOGUE, code_in, diagnose
from headwise.diagnostics.data import observe
from headwise.diagnostics.diagnostic import Diagnostic
from headwise.diagnostics.facts import Facts
from headwise.diagnostics.survey import facts_of_keras, of_keras, of_saved_model
from headwise.errors import InvalidCardError
from headwise.heads import Head, Temperature
from headwise.repository.cards import read_card
from headwise.savedmodel import read
from headwise.savedmodel.detected import DetectedHead
from headwise.training.checking.in_memory import described
from headwise.training.run import raw_outputs
from support.example_models import NAMES, Examples

Dense = keras.layers.Dense
BinaryCrossentropy = keras.losses.BinaryCrossentropy

RIGHT: list[tuple[str, tuple[keras.layers.Layer, ...], Any, tuple[Any, ...]]] = [
    ("sigmoid, bce", (Dense(1, activation="sigmoid"),), "binary_crossentropy", ("accuracy", "AUC", "Precision")),
    ("sigmoid layer", (Dense(1), keras.layers.Activation("sigmoid")), "bce", ("binary_accuracy",)),
    ("Brier", (Dense(1, activation="sigmoid"),), "mse", ("accuracy",)),
    (
        "logit",
        (Dense(1),),
        BinaryCrossentropy(from_logits=True),
        (keras.metrics.BinaryAccuracy(threshold=0.0), keras.metrics.AUC(from_logits=True)),
    ),
    ("focal", (Dense(1, activation="sigmoid"),), keras.losses.BinaryFocalCrossentropy(), ("accuracy",)),
    ("softmax, scce", (Dense(3, activation="softmax"),), "sparse_categorical_crossentropy", ("accuracy",)),
    ("softmax, cce", (Dense(3, activation="softmax"),), "categorical_crossentropy", ("accuracy", "AUC")),
    ("softmax layer", (Dense(3), keras.layers.Softmax()), "sparse_categorical_crossentropy", ("accuracy",)),
    (
        "logits",
        (Dense(3),),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        ("accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2)),
    ),
    ("logits, cce", (Dense(3),), keras.losses.CategoricalCrossentropy(from_logits=True), ("accuracy",)),
    ("softmax, Brier", (Dense(3, activation="softmax"),), "mse", ("accuracy",)),
    ("softmax, kld", (Dense(3, activation="softmax"),), "kl_divergence", ()),
    ("labels", (Dense(4, activation="sigmoid"),), "binary_crossentropy", ("binary_accuracy",)),
    ("label logits", (Dense(4),), BinaryCrossentropy(from_logits=True), (keras.metrics.BinaryAccuracy(threshold=0.0),)),
    ("regression", (Dense(1),), "mse", ("mae",)),
    ("regression, huber", (Dense(2),), keras.losses.Huber(), (keras.metrics.R2Score(),)),
    ("rates", (Dense(1, activation="softplus"),), "poisson", ()),
    ("non-negative", (Dense(1, activation="relu"),), "mse", ()),
    ("hinge", (Dense(1),), "hinge", (keras.metrics.BinaryAccuracy(threshold=0.0),)),
    ("tanh hinge", (Dense(1, activation="tanh"),), "squared_hinge", ()),
    ("embedding", (Dense(8), keras.layers.UnitNormalization()), keras.losses.CosineSimilarity(), ()),
    ("own loss", (Dense(1),), keras.losses.LogCosh(), ()),
    ("not compiled", (Dense(16, activation="relu"),), None, ()),
]


@pytest.mark.parametrize(("layers", "loss", "metrics"), [row[1:] for row in RIGHT], ids=[row[0] for row in RIGHT])
def test_a_model_that_is_right_raises_no_alarm(
    layers: tuple[keras.layers.Layer, ...], loss: Any, metrics: tuple[Any, ...]
) -> None:
    model = keras.Sequential([keras.Input((2,)), *layers])
    if loss is not None:
        model.compile("sgd", loss, metrics=list(metrics))

    assert of_keras(described(model)) == ()


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis -1")
@pytest.mark.parametrize("code", CATALOGUE)
def test_the_example_of_each_entry_shows_exactly_that_entry(code: str) -> None:
    assert {found.code for found in _of_example(CATALOGUE[code].example)} == {code}


def _of_example(example: str) -> tuple[Diagnostic, ...]:
    """Run an example of docs/diagnostics.md and diagnose what it defines."""
    given: dict[str, Any] = {thing.__name__: thing for thing in (Head, Facts, DetectedHead, Temperature, observe)} | {
        "keras": keras,
        "np": np,
    }
    try:
        exec(example, given)
    except InvalidCardError as refusal:
        return tuple(Diagnostic(code, "error", "", str(refusal), "") for code in [code_in(str(refusal))] if code)
    facts = given.get("facts") or Facts("output_0")
    if "model" in given:
        (facts,) = facts_of_keras(described(given["model"]))
    return diagnose(
        replace(
            facts,
            declared=given.get("head", facts.declared),
            labels=len(given["labels"]) if "labels" in given else None,
            data=facts.data or observe(given.get("raw"), given.get("targets")),
        )
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.timeout(400)
def test_an_example_model_raises_no_alarm(examples: Examples, name: str) -> None:
    """The nine: their graph is what their card says, and so are their numbers on rows that they never saw."""
    folder = examples.models / name / "1"
    card, model = read_card(folder), read(folder)
    assert card is not None
    with np.load(examples.models / name / "holdout.npz") as arrays:
        inputs = {key: arrays[key] for key in arrays.files if key != "targets"}
        targets = arrays["targets"]
    ((output, head),) = card.card.signatures["serving_default"].heads.items()
    detected, raw = model.detected["serving_default"][output], raw_outputs(folder, inputs)[output]
    facts = Facts(name, detected, head, data=observe(raw, targets))
    found = {diagnostic.code for diagnostic in (*of_saved_model(model, card.card), *diagnose(facts))}

    assert (detected.activation, detected.units, detected.beneath) == (head.activation, raw.shape[-1], None)
    assert found == ({"HW112"} if name == "parity_two" else set())
