"""The last layers of a Keras model are followed back, through the models within it, to what made each output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import pytest
from keras import layers

from headwise.savedmodel import UNKNOWN
from headwise.savedmodel.keras import from_config
from headwise.savedmodel.keras.activations import FUNCTIONS
from support.keras_models import Tensor, brief, dense, in_memory, nested

Head = tuple[str, int | None, str | None]
"""Activation, units, what lies beneath."""


@keras.saving.register_keras_serializable("tests")
class Dense(layers.Dense):  # type: ignore[misc]
    """A class of the user's own that has a name of Keras's."""


def sigmoidal(values: Tensor) -> Tensor:
    """Not Keras's sigmoid, although it is one."""
    return 1 / (1 + keras.ops.exp(-values))


HEADS: dict[str, tuple[Callable[[Tensor], Tensor], Head]] = {
    "linear": (dense(), ("linear", 3, None)),
    "name": (dense(3, "softmax"), ("softmax", 3, None)),
    "function": (dense(1, keras.activations.sigmoid), ("sigmoid", 1, None)),
    "alias": (dense(1, "swish"), ("silu", 1, None)),
    "layer as activation": (dense(2, layers.LeakyReLU(negative_slope=0.1)), ("leaky_relu", 2, None)),
    "own function": (dense(1, sigmoidal), (UNKNOWN, 1, None)),
    "own class": (Dense(3, activation="softmax"), (UNKNOWN, None, None)),
    "Activation": (lambda x: layers.Activation("sigmoid")(dense(1)(x)), ("sigmoid", 1, None)),
    "Activation of nothing": (lambda x: layers.Activation("linear")(dense(3, "softmax")(x)), ("softmax", 3, None)),
    "Softmax": (lambda x: layers.Softmax()(dense()(x)), ("softmax", 3, None)),
    "Softmax, last axis": (lambda x: layers.Softmax(axis=1)(dense()(x)), ("softmax", 3, None)),
    "Softmax, other axis": (
        lambda x: layers.Softmax(axis=1)(layers.Reshape((1, 3))(dense()(x))),
        (UNKNOWN, None, None),
    ),
    "Softmax, all axes": (
        lambda x: layers.Softmax(axis=(1, 2))(layers.Reshape((1, 3))(dense()(x))),
        (UNKNOWN, None, None),
    ),
    "ReLU": (lambda x: layers.ReLU()(dense()(x)), ("relu", 3, None)),
    "ReLU6": (lambda x: layers.ReLU(max_value=6)(dense()(x)), ("relu6", 3, None)),
    "leaky ReLU": (lambda x: layers.ReLU(negative_slope=0.1)(dense()(x)), ("leaky_relu", 3, None)),
    "op": (lambda x: keras.ops.sigmoid(dense()(x)), ("sigmoid", 3, None)),
    "softmax op": (lambda x: keras.ops.softmax(dense()(x), axis=-1), ("softmax", 3, None)),
    "softmax op, batch": (lambda x: keras.ops.softmax(dense()(x), axis=0), (UNKNOWN, None, None)),
    "softmax over everything": (lambda x: keras.ops.softmax(dense()(x), axis=None), (UNKNOWN, None, None)),
    "tanh op": (lambda x: keras.ops.tanh(dense()(x)), ("tanh", 3, None)),
    "arithmetic": (lambda x: dense()(x) * 2, (UNKNOWN, None, None)),
    "double sigmoid": (lambda x: layers.Activation("sigmoid")(dense(1, "sigmoid")(x)), ("sigmoid", 1, "sigmoid")),
    "sigmoid of ReLU": (
        lambda x: layers.Activation("sigmoid")(layers.Dropout(0.1)(layers.ReLU()(dense(1)(x)))),
        ("sigmoid", 1, "relu"),
    ),
    "Dropout": (lambda x: layers.Dropout(0.5)(dense(3, "softmax")(x)), ("softmax", 3, None)),
    "Identity": (lambda x: layers.Identity()(dense(3, "softmax")(x)), ("softmax", 3, None)),
    "cast": (lambda x: keras.ops.cast(dense(3, "softmax")(x), "float16"), ("softmax", 3, None)),
    "Reshape that keeps rows": (
        lambda x: layers.Reshape((2, 3))(layers.RepeatVector(2)(dense(3, "softmax")(x))),
        ("softmax", 3, None),
    ),
    "Reshape that cuts rows": (lambda x: layers.Reshape((2, 3))(dense(6, "softmax")(x)), (UNKNOWN, None, None)),
    "Reshape of sigmoids": (lambda x: layers.Reshape((2, 3))(dense(6, "sigmoid")(x)), ("sigmoid", 3, None)),
    "Flatten": (lambda x: layers.Flatten()(dense(3, "softmax")(x)), ("softmax", 3, None)),
    "Flatten that joins rows": (
        lambda x: layers.Flatten()(layers.RepeatVector(2)(dense(3, "softmax")(x))),
        (UNKNOWN, None, None),
    ),
    "Permute, last axis": (
        lambda x: layers.Permute((2, 1))(layers.RepeatVector(2)(dense(3, "softmax")(x))),
        (UNKNOWN, None, None),
    ),
    "Permute of sigmoids": (
        lambda x: layers.Permute((2, 1))(layers.RepeatVector(2)(dense(3, "sigmoid")(x))),
        ("sigmoid", 2, None),
    ),
    "slice of softmax": (lambda x: dense(3, "softmax")(x)[:, 1:2], (UNKNOWN, None, None)),
    "slice of sigmoid": (lambda x: dense(3, "sigmoid")(x)[:, 1:2], ("sigmoid", None, None)),
    "transpose": (
        lambda x: keras.ops.transpose(layers.RepeatVector(2)(dense(3, "sigmoid")(x)), (0, 2, 1)),
        ("sigmoid", 2, None),
    ),
    "squeeze": (
        lambda x: keras.ops.squeeze(keras.ops.expand_dims(dense(3, "softmax")(x), 1), 1),
        ("softmax", 3, None),
    ),
    "Concatenate": (
        lambda x: layers.Concatenate()([dense(1, "sigmoid")(x), dense(2, "sigmoid")(x)]),
        ("sigmoid", 3, None),
    ),
    "Concatenate of two kinds": (
        lambda x: layers.Concatenate()([dense(1, "sigmoid")(x), dense(2)(x)]),
        (UNKNOWN, None, None),
    ),
    "Concatenate of softmax": (
        lambda x: layers.Concatenate()([dense(2, "softmax")(x), dense(2, "softmax")(x)]),
        (UNKNOWN, None, None),
    ),
    "Concatenate of positions": (
        lambda x: layers.Concatenate(axis=1)([layers.RepeatVector(2)(dense(3, "softmax")(x)) for _ in range(2)]),
        ("softmax", 3, None),
    ),
    "TimeDistributed": (
        lambda x: layers.TimeDistributed(dense(2, "softmax"))(layers.RepeatVector(5)(x)),
        ("softmax", 2, None),
    ),
    "TimeDistributed model": (
        lambda x: layers.TimeDistributed(nested(dense(3), layers.Softmax()))(layers.RepeatVector(5)(x)),
        ("softmax", 3, None),
    ),
    "TimeDistributed Flatten": (
        lambda x: layers.TimeDistributed(layers.Flatten())(
            layers.Reshape((2, 1, 3))(layers.RepeatVector(2)(dense(3, "softmax")(x)))
        ),
        ("softmax", 3, None),
    ),
    "EinsumDense": (layers.EinsumDense("ab,bc->ac", 5, activation="softmax"), ("softmax", 5, None)),
    "Conv": (
        lambda x: layers.Conv2D(2, 1, activation="softmax", data_format="channels_last")(layers.Reshape((2, 2, 1))(x)),
        ("softmax", 2, None),
    ),
    "Conv, channels first": (
        lambda x: layers.Conv1D(2, 1, data_format="channels_first")(layers.Reshape((2, 2))(x)),
        ("linear", None, None),
    ),
    "LSTM": (lambda x: layers.LSTM(2)(layers.Reshape((2, 2))(x)), (UNKNOWN, None, None)),
    "Lambda": (lambda x: layers.Lambda(sigmoidal)(dense()(x)), (UNKNOWN, None, None)),
    "Add": (lambda x: layers.Add()([dense(2, "sigmoid")(x), dense(2, "sigmoid")(x)]), (UNKNOWN, None, None)),
    "Rescaling": (lambda x: layers.Rescaling(2.0)(dense(2, "softmax")(x)), (UNKNOWN, None, None)),
    "input": (layers.Identity(), (UNKNOWN, None, None)),
    "model": (nested(dense(3, "softmax")), ("softmax", 3, None)),
    "Sequential": (keras.Sequential([dense(3), layers.Softmax()]), ("softmax", 3, None)),
    "models in models": (nested(nested(dense(1), layers.Activation("tanh"))), ("tanh", 1, None)),
    "beneath a model": (lambda x: nested(layers.Activation("sigmoid"))(dense(4, "relu")(x)), ("sigmoid", 4, "relu")),
}


@pytest.mark.parametrize("case", HEADS)
def test_the_last_layers_are_followed(case: str) -> None:
    build, expected = HEADS[case]
    features = keras.Input((4,))
    (output,) = in_memory(keras.Model(features, build(features))).outputs.values()

    assert brief(output.head) == expected


def test_every_activation_of_keras_has_a_name() -> None:
    general = {"deserialize", "get", "serialize"}

    assert {name for name in dir(keras.activations) if not name.startswith("_")} - general <= FUNCTIONS.keys()


def test_a_path_names_the_layers_and_what_stopped_it() -> None:
    features = keras.Input((4,))
    model = keras.Model(features, layers.Dropout(0.1, name="drop")(layers.Dense(6, "softmax", name="d")(features)))
    assert in_memory(model).outputs["output_0"].head.path == ("Dropout drop", "Dense d")

    cut = keras.Model(features, layers.Reshape((2, 3), name="r")(model(features)))
    assert in_memory(cut).outputs["output_0"].head.path[-1] == "the rows of the softmax do not arrive whole: Reshape"


def test_a_layer_that_is_called_twice_is_followed_where_each_call_leads() -> None:
    features = keras.Input((4,))
    shared, sigmoid = dense(4), layers.Activation("sigmoid")
    first = shared(features)
    model = keras.Model(features, [sigmoid(first), sigmoid(sigmoid(first)), sigmoid(layers.ReLU()(shared(first)))])

    assert [brief(output.head) for output in in_memory(model).outputs.values()] == [
        ("sigmoid", 4, None),
        ("sigmoid", 4, "sigmoid"),
        ("sigmoid", 4, "relu"),
    ]


def test_a_model_within_is_followed_to_the_output_and_the_call_that_are_meant() -> None:
    inside = keras.Input((4,))
    inner = keras.Model(inside, {"b": layers.Activation("tanh")(inside), "a": dense(2, "softmax")(inside)})
    features = keras.Input((4,))
    first, second = inner(features), inner(dense(4, "relu")(features))
    outputs = in_memory(keras.Model(features, [first["b"], second["a"], second["b"]])).outputs

    assert [brief(output.head) for output in outputs.values()] == [
        ("tanh", 4, None),
        ("softmax", 2, None),
        ("tanh", 4, "relu"),
    ]


def test_a_model_within_is_left_by_the_input_that_is_meant() -> None:
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    inner = keras.Model({"left": left, "right": right}, layers.Activation("sigmoid")(right))
    features = keras.Input((4,))
    model = keras.Model(features, inner({"right": dense(4, "relu")(features), "left": dense(4, "tanh")(features)}))

    assert in_memory(model).outputs["output_0"].head.beneath == "relu"


@pytest.mark.parametrize("built", [True, False])
def test_a_sequential_model_is_read_before_and_after_it_is_built(built: bool) -> None:
    model = keras.Sequential([*([keras.Input((4,))] if built else []), dense(3), layers.Dropout(0.1), layers.Softmax()])

    assert brief(in_memory(model).outputs["output_0"].head) == ("softmax", 3, None)


@pytest.mark.parametrize(
    "layers_of",
    [
        [{"name": "a", "inbound_nodes": [{"args": [("a", 0, 0)]}]}],
        [
            {"name": "a", "inbound_nodes": [{"args": [("b", 0, 0)]}]},
            {"name": "b", "inbound_nodes": [{"args": [("a", 0, 0)]}]},
        ],
        [{"name": "a", "inbound_nodes": 3}],
        [{"name": "a", "inbound_nodes": [{"args": [("a", 0, 0)] * 50}]}],
        [],
        None,
    ],
)
@pytest.mark.parametrize("kind", ["Dropout", "Concatenate"])
def test_layers_that_lead_in_a_circle_or_nowhere_are_unknown(layers_of: Any, kind: str) -> None:
    for layer in layers_of or ():
        layer.update({"module": "keras.layers", "class_name": kind, "config": {"axis": -1}})
        for node in layer["inbound_nodes"] if isinstance(layer["inbound_nodes"], list) else ():
            node["args"] = [tensor(*part) if isinstance(part, tuple) else part for part in node["args"]]
    config = {"layers": layers_of, "output_layers": ["a", 0, 0]}
    head = from_config({"module": "keras", "class_name": "Functional", "config": config}).outputs["output_0"].head

    assert head.activation == UNKNOWN
    assert head.path


def tensor(*history: Any) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "keras_history": list(history)}}


def test_a_softmax_of_itself_ends() -> None:
    """Its rows are those of what it reads, which is itself."""
    read = {"class_name": "__keras_tensor__", "config": {"keras_history": ["a", 0, 0]}}
    layer = {
        "class_name": "Softmax",
        "module": "keras.layers",
        "name": "a",
        "config": {},
        "inbound_nodes": [{"args": [read]}],
    }
    within = {"layers": [layer], "output_layers": ["a", 0, 0]}
    model = from_config({"class_name": "Functional", "module": "keras", "config": within})
    assert model.outputs["output_0"].head.units is None
