"""A Keras model's configuration and the graph that it is exported as say the same of every head that both know."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from keras import layers

from headwise.savedmodel import UNKNOWN, DetectedHead, read
from headwise.savedmodel.keras import read_keras
from support.keras_models import save_graph

ACTIVATIONS = (
    "linear",
    "sigmoid",
    "softmax",
    "log_softmax",
    "tanh",
    "relu",
    "hard_sigmoid",
)


def inner(*parts: layers.Layer) -> keras.Model:
    return keras.Sequential(list(parts))


WRAPPERS: dict[str, Any] = {
    "bare": lambda x: x,
    "dropout": layers.Dropout(0.2),
    "cast": lambda x: keras.ops.cast(x, "float16"),
    "reshape": layers.Reshape((1, 1, 4)),
    "regroup": layers.Reshape((2, 2)),
    "slice": lambda x: x[:, 1:3],
    "expand": lambda x: keras.ops.expand_dims(x, 1),
    "permute": lambda x: layers.Permute((2, 1))(layers.Reshape((1, 4))(x)),
    "joined": lambda x: layers.Concatenate()([x, x]),
    "positions": lambda x: layers.Concatenate(axis=1)([layers.Reshape((1, 4))(x), layers.Reshape((1, 4))(x)]),
    "doubled": layers.Activation("sigmoid"),
    "softmax": layers.Softmax(),
    "other axis": lambda x: layers.Softmax(axis=1)(layers.Reshape((2, 2))(x)),
    "model": inner(layers.Dropout(0.1), layers.Activation("tanh")),
    "time": lambda x: layers.TimeDistributed(layers.Softmax())(layers.Reshape((2, 2))(x)),
    "arithmetic": lambda x: 2 * x,
}


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[DetectedHead, DetectedHead]]:
    """One model with an output for each activation in each wrapper: its heads by configuration and by graph."""
    folder = tmp_path_factory.mktemp("heads")
    features = keras.Input((4,), name="features")
    outputs = {
        f"{activation} {wrapper}".replace(" ", "_"): wrap(layers.Dense(4, activation)(features))
        for activation in ACTIVATIONS
        for wrapper, wrap in WRAPPERS.items()
    }
    model = keras.Model(features, outputs)
    model.save(folder / "model.keras")
    save_graph(model, folder / "1")
    configured = read_keras(folder / "model.keras").outputs
    exported = read(folder / "1").detected["serving_default"]
    assert set(configured) == set(exported) == set(outputs)
    return {name: (configured[name].head, exported[name]) for name in outputs}


pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def test_they_agree_wherever_both_know(heads: dict[str, tuple[DetectedHead, DetectedHead]]) -> None:
    for name, (configured, exported) in heads.items():
        if UNKNOWN not in (configured.activation, exported.activation):
            assert configured.activation == exported.activation, name
        if configured.beneath is not None and exported.beneath is not None:
            assert configured.beneath == exported.beneath, name
        if configured.units is not None and exported.units is not None:
            assert configured.units == exported.units, name


def test_both_know_most(heads: dict[str, tuple[DetectedHead, DetectedHead]]) -> None:
    known = sum(UNKNOWN not in (configured.activation, exported.activation) for configured, exported in heads.values())

    assert known >= 0.7 * len(heads)
    for activation in ("linear", "sigmoid", "softmax", "log_softmax", "tanh"):
        for wrapper in ("bare", "dropout", "cast", "reshape", "expand", "positions"):
            configured, exported = heads[f"{activation}_{wrapper}"]
            assert (configured.activation, exported.activation) == (activation, activation), wrapper


@pytest.mark.parametrize("wrapper", ["regroup", "slice", "permute", "joined"])
def test_neither_calls_half_a_row_a_softmax(heads: dict[str, tuple[DetectedHead, DetectedHead]], wrapper: str) -> None:
    assert {head.activation for head in heads[f"softmax_{wrapper}"]} == {UNKNOWN}
