"""`headwise evaluate`: Keras's own accuracy beside the head's, on real models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from headwise.heads import Head, HeadCard, Platt, SignatureHeads, Threshold
from headwise.repository.card_writer import write_card
from headwise.training.evaluating.keras_accuracy import keras_accuracy
from support.command_line import headwise
from support.example_models import Examples

pytestmark = pytest.mark.timeout(400)

RANDOM = np.random.default_rng(0)
LABELS = ("no", "yes")


def evaluated(model: Path, data: Path, *more: object) -> dict[str, Any]:
    ended = headwise("evaluate", model, "--data", data, "--json", *more)
    assert ended.code == 0, ended.out + ended.err
    heads: dict[str, Any] = json.loads(ended.out)["heads"]
    return heads


def saved(folder: Path, outputs: Mapping[str, Any], heads: Mapping[str, Head] | None) -> Path:
    """A model of features (rows, 2) whose outputs are these functions, with a card."""

    def served(features: Any) -> dict[str, Any]:
        return {name: function(features) for name, function in outputs.items()}

    concrete = tf.function(served).get_concrete_function(tf.TensorSpec((None, 2), tf.float32, "features"))
    version = folder / "1"
    tf.saved_model.save(tf.Module(), str(version), signatures={"serving_default": concrete})
    if heads is not None:
        write_card(version, HeadCard(1, {"serving_default": SignatureHeads(heads)}))
    return folder


def holdout(file: Path, **arrays: Any) -> Path:
    np.savez(file, **arrays)
    return file


@pytest.fixture(scope="module")
def logit_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its logit is its first feature."""
    head = Head("binary", "linear", LABELS)
    return saved(tmp_path_factory.mktemp("logit"), {"z": lambda x: x[:, :1]}, {"z": head})


def test_of_one_network_keras_scores_the_logit_and_the_sigmoid_differently_and_the_head_does_not(
    examples: Examples,
) -> None:
    logit, sigmoid = (
        evaluated(examples.models / name, examples.models / name / "holdout.npz")["output_0"]
        for name in ("parity_logit", "parity")
    )
    assert logit["keras"]["value"] < sigmoid["keras"]["value"]
    assert sigmoid["keras"]["value"] == pytest.approx(sigmoid["headwise"]["accuracy"])
    assert logit["headwise"].pop("confusion_matrix") == sigmoid["headwise"].pop("confusion_matrix")
    assert logit["headwise"] == pytest.approx(sigmoid["headwise"], abs=1e-6)

    how, apart = logit["explanation"]
    assert how.startswith("Keras cuts the logit at 0.5, which is p = 0.6225; the head cuts at p = 0.5 (default).")
    assert "BinaryAccuracy(threshold=0)" in how
    lost = round((logit["headwise"]["accuracy"] - logit["keras"]["value"]) * logit["rows"])
    assert lost > 0
    assert "They answer differently on" in apart
    print(f"parity_logit: Keras {logit['keras']['value']:.4f}, headwise {logit['headwise']['accuracy']:.4f}; {apart}")
    assert sigmoid["explanation"][1] == f"They answer alike on all {sigmoid['rows']} rows."


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("digit_traits", "A row may have several labels or none"),
        ("severity", "The units of an ordinal head are the steps P(y > k)"),
        ("diabetes", "Keras's mean absolute error is the head's"),
        ("digits", "Keras takes the largest unit for the class, and so does the head."),
    ],
)
def test_each_task_is_explained_in_a_terminal(examples: Examples, name: str, figure: str) -> None:
    ended = headwise("evaluate", examples.models / name, "--data", examples.models / name / "holdout.npz")
    assert ended.code == 0, ended.out + ended.err
    assert figure in ended.out
    assert "headwise" in ended.out


@pytest.mark.parametrize(
    ("head", "shape", "most"),
    [
        (Head("binary", "linear", LABELS), (64, 1), 2),
        (Head("binary", "softmax", LABELS), (64, 2), 2),
        (Head("multiclass", "linear", ("a", "b", "c")), (64, 3), 3),
        (Head("multiclass", "linear", ("a", "b", "c")), (16, 4, 3), 3),
        (Head("multilabel", "linear", ("a", "b", "c")), (64, 3), 2),
        (Head("multilabel", "linear", ("a",)), (64, 1), 2),
        (Head("ordinal", "linear", ("a", "b", "c")), (64, 2), 3),
    ],
    ids=lambda value: value.task if isinstance(value, Head) else str(value),
)
def test_the_figure_is_the_one_that_keras_reports_in_training(head: Head, shape: Any, most: int) -> None:
    raw = RANDOM.normal(size=shape).astype(np.float32)
    labels = head.task == "multilabel"
    targets = RANDOM.integers(0, most, shape if labels else shape[:-1])
    model = keras.Sequential([keras.Input(shape[1:]), keras.layers.Activation("linear")])
    model.compile(loss=lambda _, outputs: keras.ops.sum(outputs) * 0, metrics=["accuracy"], run_eagerly=True)
    reported = model.evaluate(raw, targets, verbose=0, return_dict=True)["accuracy"]

    checked = targets.astype(bool) if labels else targets.reshape(-1)
    assert keras_accuracy(raw, checked, head).value == pytest.approx(reported)


def test_a_tuned_threshold_and_a_calibration_are_told(logit_model: Path, tmp_path: Path) -> None:
    head = Head("binary", "linear", LABELS, calibration=Platt(1.0, -1.0), decision=Threshold(0.2))
    model = saved(tmp_path / "tuned", {"z": lambda x: x[:, :1]}, {"z": head})
    features = np.stack([np.linspace(-2, 2, 41), np.zeros(41)], axis=1)
    data = holdout(tmp_path / "holdout.npz", features=features, targets=features[:, 0] > 0)

    found = evaluated(model, data)["z"]
    assert found["decision"] == {"rule": "threshold", "cuts": [0.2], "source": "card"}
    how, apart = found["explanation"]
    assert how == (
        "Keras cuts the logit at 0.5, which is p = 0.3775, after platt calibration; the head cuts at p = 0.2 (card)."
    )
    # The card's cut is at 1 + log(0.2 / 0.8) = -0.386: the rows from -0.3 to 0.5 lie between.
    assert apart == "They answer differently on 9 of 41 rows: there Keras is right on 4 and the head on 5."
    assert evaluated(logit_model, data)["z"]["headwise"]["accuracy"] == pytest.approx(40 / 41)


def test_a_model_with_several_heads_takes_targets_for_each(tmp_path: Path) -> None:
    heads = {"risk": Head("binary", "linear", LABELS), "size": Head("regression", "linear")}
    outputs = {"risk": lambda x: x[:, :1], "size": lambda x: x[:, 1:], "other": lambda x: x}
    model = saved(tmp_path / "two", outputs, heads)
    features = RANDOM.normal(size=(20, 2)).astype(np.float32)
    risk, size = features[:, 0] >= 0, features[:, 1]

    both = holdout(tmp_path / "both.npz", features=features, **{"targets.risk": risk, "targets.size": size})
    found = evaluated(model, both)
    assert found["risk"]["headwise"]["accuracy"] == 1.0
    assert found["size"]["headwise"]["r2"] == 1.0

    one = holdout(tmp_path / "one.npz", features=features, targets=size)
    assert list(evaluated(model, one, "--output", "size")) == ["size"]
    ended = headwise("evaluate", model, "--data", one)
    assert ended.code == 1
    assert "no array 'targets.risk'" in ended.err
    assert "choose one with --output" in ended.err
    ended = headwise("evaluate", model, "--data", one, "--output", "other")
    assert "no head 'other'; the card describes 'risk', 'size'" in ended.err


def test_a_table_with_labels_is_scored_as_an_archive_with_indices(logit_model: Path, tmp_path: Path) -> None:
    features, yes = RANDOM.normal(size=(20, 2)), RANDOM.integers(0, 2, 20)
    archive = evaluated(logit_model, holdout(tmp_path / "rows.npz", features=features, targets=yes))
    lines = [
        f"{at},{x!r},{y!r},{LABELS[label]}"
        for at, ((x, y), label) in enumerate(zip(features.tolist(), yes, strict=True))
    ]
    table = tmp_path / "rows.csv"
    table.write_text("\n".join(["id,features.0,features.1,targets", *lines]))

    assert evaluated(logit_model, table) == archive
    assert "neither input nor target: id" in headwise("evaluate", logit_model, "--data", table).out


def test_a_finding_that_is_an_error_is_the_exit_code(tmp_path: Path) -> None:
    """A softmax that is written out escapes detection; the numbers give it away."""

    def by_hand(x: Any) -> Any:
        return tf.exp(x) / tf.reduce_sum(tf.exp(x), axis=1, keepdims=True)

    model = saved(tmp_path / "hidden", {"z": by_hand}, {"z": Head("multiclass", "linear", ("a", "b"))})
    features = RANDOM.normal(size=(200, 2)).astype(np.float32)
    data = holdout(tmp_path / "holdout.npz", features=features, targets=features.argmax(axis=1))
    ended = headwise("evaluate", model, "--data", data)
    assert ended.code == 1
    assert "error HW119" in ended.out


def test_a_model_without_card_is_told_how_to_get_one(tmp_path: Path) -> None:
    model = saved(tmp_path / "bare", {"z": lambda x: x[:, :1]}, None)
    data = holdout(tmp_path / "holdout.npz", features=np.zeros((2, 2)), targets=np.zeros(2))
    ended = headwise("evaluate", model, "--data", data)
    assert ended.code == 1
    assert "no head card" in ended.err
    assert "headwise attach" in ended.err


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"features": np.zeros((2, 2))}, "no array 'targets'"),
        ({"targets": np.zeros(2)}, "holds no inputs"),
        ({"x": np.zeros((2, 2)), "targets": np.zeros(2)}, "unknown input 'x'; the model's inputs are 'features'"),
        (
            {"features": np.zeros((2, 2)), "targets": np.zeros(3)},
            "output 'z': targets have 3 rows, but the inputs have 2",
        ),
        ({"features": np.zeros((2, 2)), "targets": np.array([0, 2])}, "targets hold 2 in row 1"),
        ({"features": np.zeros((2, 2)), "targets": np.array([0, np.nan])}, "targets hold nan"),
        ({"features": np.full((2, 2), np.nan), "targets": np.zeros(2)}, "numbers must be finite"),
        ({"features": np.zeros((2, 3)), "targets": np.zeros(2)}, "the model takes float32 (?, 2)"),
        ({"features": np.zeros((0, 2)), "targets": np.zeros(0)}, "no rows"),
        ({"features": np.array([[{}], [{}]]), "targets": np.zeros(2)}, "allow_pickle=False"),
    ],
)
def test_data_that_does_not_fit_is_told(logit_model: Path, tmp_path: Path, arrays: dict[str, Any], reason: str) -> None:
    ended = headwise("evaluate", logit_model, "--data", holdout(tmp_path / "bad.npz", **arrays))
    assert ended.code == 1
    assert reason in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""


@pytest.mark.parametrize("content", [b"", b"features,targets\n1,2\n", b"PK\x03\x04" + b"\0" * 30, None])
def test_what_is_no_npz_is_told(logit_model: Path, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "data.npz"
    if content is not None:
        file.write_bytes(content)
    ended = headwise("evaluate", logit_model, "--data", file)
    assert ended.code == 1
    assert str(file) in ended.err
    assert ("No such file" if content is None else "is no .npz file") in ended.err
