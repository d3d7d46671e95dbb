"""Keras models, saved and in memory: their outputs, each with its head and what it was trained with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import pytest
import tf_keras
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, losses, metrics

from headwise.savedmodel import UNKNOWN
from headwise.savedmodel.keras import KerasModel, from_config, read_keras
from headwise.savedmodel.training_config import UNTRAINED, Loss, Metric, TrainingConfig
from support.keras_models import Tensor, brief, dense, in_memory, nested

saves = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
"""Keras's own, as it writes weights."""


def saved(model: keras.Model, folder: Path) -> KerasModel:
    model.save(folder / "model.keras")
    return read_keras(folder / "model.keras")


def difference(targets: Tensor, outputs: Tensor) -> Tensor:
    """A loss of the user's own."""
    return outputs - targets


@pytest.mark.parametrize(
    ("structure", "names"),
    [
        (lambda a, _: a, ["output_0"]),
        (lambda a, _: [a], ["output_0"]),
        (lambda a, b: [a, b], ["output_0", "output_1"]),
        (lambda a, b: (a, b), ["output_0", "output_1"]),
        (lambda a, b: {"z": a, "y": b}, ["y", "z"]),
        (lambda a, b: {"7": a, "3": b}, ["3", "7"]),
        (lambda a, b: [[a], b], ["0.0", "1"]),
    ],
)
def test_outputs_are_named_as_an_export_names_them(
    structure: Callable[[Tensor, Tensor], Tensor], names: list[str]
) -> None:
    features = keras.Input((4,))
    model = keras.Model(features, structure(dense(1)(features), dense(2)(features)))

    assert list(in_memory(model).outputs) == names


class Subclassed(keras.Model):  # type: ignore[misc]
    """Its layers are code."""

    def __init__(self) -> None:
        super().__init__()
        self.last = dense(3, "softmax")

    def call(self, inputs: Tensor) -> Tensor:
        return 1 - self.last(inputs)


class FunctionalSubclass(keras.Model):  # type: ignore[misc]
    """A Functional model by its constructor, whose call does something else."""

    def call(self, inputs: Tensor) -> Tensor:
        return 1 - super().call(inputs)


def test_a_subclassed_model_is_unknown_and_its_training_known() -> None:
    features = keras.Input((4,))
    for model in (Subclassed(), FunctionalSubclass(features, dense(3, "softmax")(features))):
        model.compile(loss="categorical_crossentropy")
        read = in_memory(model)

        assert read.outputs["output_0"].head.activation == UNKNOWN
        assert read.outputs["output_0"].head.path[0].startswith(type(model).__name__)
        assert read.outputs["output_0"].training.loss == Loss("categorical_crossentropy", from_logits=False)


@saves
def test_a_saved_model_reads_as_it_does_in_memory(tmp_path: Path) -> None:
    features = keras.Input((4,))
    model = keras.Model(features, {"a": dense(1, "sigmoid")(features), "b": dense(3)(features)})
    model.compile(
        loss={"a": "bce", "b": losses.SparseCategoricalCrossentropy(from_logits=True)},
        metrics={"a": [metrics.BinaryAccuracy(threshold=0.3)]},
    )
    read = saved(model, tmp_path)

    assert read.keras_version == keras.__version__
    assert read.outputs == in_memory(model).outputs
    assert read.outputs["a"].training == TrainingConfig(
        Loss("binary_crossentropy", from_logits=False), (Metric("binary_accuracy", 0.3),)
    )
    assert read.outputs["b"].training == TrainingConfig(Loss("sparse_categorical_crossentropy", from_logits=True))


def test_an_archive_of_keras_2_is_read(tmp_path: Path) -> None:
    features = tf_keras.Input((4,), name="x")
    inner = tf_keras.Sequential([tf_keras.layers.Dense(4), tf_keras.layers.ReLU()])
    logit = tf_keras.layers.Activation("sigmoid")(inner(features))
    soft = tf_keras.layers.Reshape((1, 2))(tf_keras.layers.Dense(2, activation="softmax", name="soft")(features))
    within = tf_keras.Model(features, tf_keras.layers.Dense(2, activation="tanh")(features))
    model = tf_keras.Model(features, [logit, soft, within(features)])
    model.compile(loss=["mse", None, tf_keras.losses.BinaryCrossentropy(from_logits=True)])
    model.save(tmp_path / "old.keras")
    first, second, third = read_keras(tmp_path / "old.keras").outputs.values()

    assert brief(first.head) == ("sigmoid", 4, "relu")
    assert brief(second.head) == ("softmax", 2, None)
    assert brief(third.head) == ("tanh", 2, None)
    assert [output.training.loss for output in (first, second, third)] == [
        Loss("mean_squared_error"),
        None,
        Loss("binary_crossentropy", from_logits=True),
    ]


@settings(max_examples=30)
@given(data=st.data())
def test_any_loss_on_any_activation_in_any_wrapper_is_read(data: st.DataObject) -> None:
    units = data.draw(st.integers(1, 5))
    activation = data.draw(st.sampled_from(["linear", "sigmoid", "softmax", "log_softmax", "tanh", "relu", "softplus"]))
    loss, expected = data.draw(
        st.sampled_from(
            [
                ("bce", Loss("binary_crossentropy", from_logits=False)),
                ("MSE", Loss("mean_squared_error")),
                (losses.Huber(), Loss("huber")),
                (losses.BinaryCrossentropy(from_logits=True), Loss("binary_crossentropy", from_logits=True)),
                (losses.categorical_crossentropy, Loss("categorical_crossentropy", from_logits=False)),
                (difference, Loss("custom")),
                (None, None),
            ]
        )
    )
    inside = data.draw(st.booleans())
    wrappers = data.draw(
        st.lists(
            st.sampled_from(
                [
                    layers.Dropout(0.1),
                    layers.Identity(),
                    lambda x: keras.ops.cast(x, "float32"),
                    lambda x: keras.ops.expand_dims(x, 1),
                    nested_as_it_is,
                    lambda x: layers.TimeDistributed(layers.Identity())(keras.ops.expand_dims(x, 1)),
                    lambda x: layers.Reshape((1, *x.shape[1:]))(x),
                ]
            ),
            max_size=3,
        )
    )
    features = keras.Input((4,))
    layer = dense(units, activation)
    result = nested(layer)(features) if inside else layer(features)
    for wrap in wrappers:
        result = wrap(result)
    model = keras.Model(features, result)
    model.compile(loss=loss, metrics=["accuracy"])
    output = in_memory(model).outputs["output_0"]

    assert brief(output.head) == (activation, units, None)
    assert output.training == TrainingConfig(expected, (Metric("accuracy"),))


def nested_as_it_is(values: Tensor) -> Tensor:
    inside = keras.Input(values.shape[1:])
    return keras.Model(inside, layers.Identity()(inside))(values)


@saves
def test_a_model_that_was_never_compiled_is_untrained(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), dense(1)])

    assert saved(model, tmp_path).outputs["output_0"].training is UNTRAINED


def test_outputs_of_which_some_have_no_key_are_counted() -> None:
    """Keras writes no such thing: what is malformed must not end in an error of Python's."""
    layer = {"class_name": "Dense", "module": "keras.layers", "name": "d", "config": {"name": "d"}}
    within = {"layers": [layer], "output_layers": {"a": ["d", 0, 0], "b": 1}}
    model = from_config({"class_name": "Functional", "module": "keras", "config": within})
    assert all(isinstance(name, str) for name in model.outputs)


def test_a_class_name_that_is_no_text_is_none() -> None:
    within = {"layers": [], "output_layers": {"class_name": ["__list__"], "items": []}}
    assert from_config({"class_name": "Functional", "module": "keras", "config": within}).outputs is not None
