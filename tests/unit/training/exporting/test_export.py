"""Exporting a Keras model: a whole version with a card that fits, or nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import TypeAdapter

from headwise.errors import InvalidCardError, UnsupportedHeadError
from headwise.heads import Head, HeadCard
from headwise.savedmodel import read
from headwise.training.exporting.export import export

BINARY = Head(task="binary", activation="linear", labels=("benign", "malignant"))
THREE = Head(task="multiclass", activation="softmax", labels=("a", "b", "c"))


def dense(units: int, activation: str | None = None, dtype: str = "float32") -> keras.Model:
    layer = keras.layers.Dense(units, activation=activation, dtype=dtype)
    return keras.Sequential([keras.Input((4,), name="features"), layer])


def two_outputs() -> keras.Model:
    features = keras.Input((4,), name="features")
    risk = keras.layers.Dense(1, name="risk_layer")(features)
    kind = keras.layers.Dense(3, activation="softmax", name="kind_layer")(features)
    return keras.Model(features, {"risk": risk, "kind": kind})


def card_of(version: Path) -> HeadCard:
    return TypeAdapter(HeadCard).validate_json((version / "assets.extra" / "head.json").read_bytes())


def test_a_version_is_a_saved_model_that_answers_as_the_model_does(tmp_path: Path) -> None:
    model = dense(1)
    version = export(model, tmp_path / "tumor", BINARY)

    assert version == tmp_path / "tumor" / "1"
    rows = np.arange(8, dtype=np.float32).reshape(2, 4)
    served = tf.saved_model.load(str(version)).signatures["serving_default"](features=rows)
    (raw,) = served.values()
    np.testing.assert_array_equal(raw.numpy(), model(rows).numpy())


def test_the_card_names_the_output_that_the_signature_has_and_the_model_it_was_checked_against(
    tmp_path: Path,
) -> None:
    version = export(dense(1), tmp_path, BINARY)

    saved = read(version)
    (output,) = saved.signatures["serving_default"].outputs
    card = card_of(version)
    assert card.signatures["serving_default"].heads == {output: BINARY}
    assert card.model is not None
    assert card.model.verified
    assert card.model.fingerprint == saved.fingerprint
    assert card.model.fingerprint


def test_several_outputs_take_a_head_each_and_what_is_not_named_is_raw(tmp_path: Path) -> None:
    both = export(two_outputs(), tmp_path, {"risk": BINARY, "kind": THREE})
    one = export(two_outputs(), tmp_path, {"kind": THREE})

    assert set(card_of(both).signatures["serving_default"].heads) == {"risk", "kind"}
    assert set(card_of(one).signatures["serving_default"].heads) == {"kind"}


@pytest.mark.parametrize(
    ("model", "heads", "reason"),
    [
        pytest.param(lambda: dense(2), THREE, "has 2 units", id="units do not fit the labels"),
        pytest.param(
            lambda: dense(1),
            Head(task="binary", activation="softmax", labels=("a", "b")),
            "one softmax unit is always 1",
            id="a refused cell",
        ),
        pytest.param(
            lambda: dense(2, "sigmoid"),
            Head(task="binary", activation="tanh", labels=("a", "b")),
            "tanh gives margins",
            id="legal with one unit, refused with two",
        ),
        pytest.param(
            lambda: dense(1),
            {"risk": BINARY},
            "heads: 'risk' is no output that a head can read; these are: output_0",
            id="no such output",
        ),
        pytest.param(two_outputs, BINARY, "kind, risk", id="one head for two outputs"),
        pytest.param(lambda: dense(1, dtype="int32"), BINARY, "int32", id="not floating"),
    ],
)
def test_a_head_that_does_not_fit_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, model: object, heads: object, reason: str
) -> None:
    with pytest.raises(InvalidCardError, match=reason):
        export(model(), tmp_path / "models" / "tumor", heads)  # type: ignore[operator,arg-type]

    assert list(tmp_path.iterdir()) == []


def test_a_refusal_names_the_output(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedHeadError, match=r"^signatures\.serving_default\.heads\.risk: "):
        export(two_outputs(), tmp_path, {"risk": THREE})


def test_a_refusal_leaves_the_versions_before_it(tmp_path: Path) -> None:
    export(dense(1), tmp_path, BINARY)
    with pytest.raises(InvalidCardError):
        export(dense(2), tmp_path, THREE)

    assert [entry.name for entry in tmp_path.iterdir()] == ["1"]


def test_a_version_may_be_chosen_and_is_never_replaced(tmp_path: Path) -> None:
    version = export(dense(1), tmp_path, BINARY, version=7)
    before = (version / "saved_model.pb").read_bytes()

    with pytest.raises(FileExistsError, match="7 is already there"):
        export(dense(1), tmp_path, BINARY, version=7)
    assert version.name == "7"
    assert (version / "saved_model.pb").read_bytes() == before


def test_the_folder_may_be_text_and_nothing_else_but_a_path(tmp_path: Path) -> None:
    assert export(dense(1), str(tmp_path / "tumor"), BINARY) == tmp_path / "tumor" / "1"
    with pytest.raises(TypeError, match=r"to is None: it must be the model's folder, such as 'models/tumor'"):
        export(dense(1), None, BINARY)  # type: ignore[arg-type]


def test_a_version_is_not_negative(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="version is -1"):
        export(dense(1), tmp_path, BINARY, version=-1)


def test_a_model_server_that_polls_never_sees_half_a_version(tmp_path: Path) -> None:
    seen: list[bool] = []
    done = threading.Event()

    def poll() -> None:
        while not done.is_set():
            seen.extend(_is_whole(version) for version in _versions(tmp_path))

    poller = threading.Thread(target=poll)
    poller.start()
    try:
        for _ in range(3):
            export(dense(1), tmp_path, BINARY)
    finally:
        done.set()
        poller.join()

    assert seen
    assert all(seen)


def _versions(folder: Path) -> Iterator[Path]:
    return (entry for entry in folder.iterdir() if entry.name.isdecimal())


def _is_whole(version: Path) -> bool:
    files = (
        "saved_model.pb",
        "fingerprint.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
        "assets.extra/head.json",
        "assets.extra/tf_serving_warmup_requests",
    )
    return all((version / file).is_file() for file in files) and bool(
        json.loads((version / "assets.extra" / "head.json").read_bytes())
    )


def test_an_export_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    class Unexportable(keras.Model):  # type: ignore[misc]
        """Never called, so Keras does not know its inputs."""

    with pytest.raises(ValueError, match="built"):
        export(Unexportable(), tmp_path / "models" / "tumor", BINARY)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_keras_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"model is 'model\.keras': it must be a keras\.Model"):
        export("model.keras", tmp_path / "tumor", BINARY)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_never_answers_with_a_number_is_told(tmp_path: Path) -> None:
    model = dense(1)
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.warns(UserWarning, match="the model answers every made-up row with NaN or infinity"):
        export(model, tmp_path / "tumor", BINARY)


def test_logits_that_keras_finds_behind_the_last_step_are_warned_of_and_behind_a_reshape_refused(
    tmp_path: Path,
) -> None:
    logits = keras.losses.BinaryCrossentropy(from_logits=True)
    last = dense(1, "sigmoid")
    last.compile("sgd", logits)
    with pytest.warns(UserWarning, match="^HW105 "):
        export(last, tmp_path / "last", labels=["no", "yes"])

    reshaped = keras.Sequential([*dense(1, "sigmoid").layers, keras.layers.Reshape((1,))])
    reshaped.build((None, 4))
    reshaped.compile("sgd", logits)
    with pytest.raises(InvalidCardError, match="HW105"):
        export(reshaped, tmp_path / "reshaped", labels=["no", "yes"])
