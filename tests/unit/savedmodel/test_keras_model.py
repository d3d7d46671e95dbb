"""Keras models, saved and in memory: the head of each output and what it was trained with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
import tf_keras
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, losses, metrics

from headwise.savedmodel.detected import UNKNOWN, DetectedHead
from headwise.savedmodel.keras_losses import LOSSES, METRICS, read_loss, read_metric
from headwise.savedmodel.keras_model import KerasModel, from_config, read_keras
from headwise.savedmodel.training_config import UNTRAINED, Loss, Metric, TrainingConfig

Tensor = Any

saves = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
"""Keras's own, as it writes weights."""


def in_memory(model: keras.Model) -> KerasModel:
    return from_config(keras.saving.serialize_keras_object(model), model.get_compile_config())


def saved(model: keras.Model, folder: Path) -> KerasModel:
    model.save(folder / "model.keras")
    return read_keras(folder / "model.keras")


def brief(head: DetectedHead) -> tuple[str, int | None, str | None]:
    return head.activation, head.units, head.beneath


def head_of(build: Callable[[Tensor], Tensor]) -> tuple[str, int | None, str | None]:
    features = keras.Input((4,))
    (output,) = in_memory(keras.Model(features, build(features))).outputs.values()
    return brief(output.head)


def nested(*within: layers.Layer) -> keras.Model:
    features = keras.Input((4,))
    result = features
    for layer in within:
        result = layer(result)
    return keras.Model(features, result)


def dense(units: int = 3, activation: Any = None) -> layers.Layer:
    return layers.Dense(units, activation=activation)


@keras.saving.register_keras_serializable("tests")
class Dense(layers.Dense):  # type: ignore[misc]
    """A class of the user's own that has a name of Keras's."""


def difference(targets: Tensor, outputs: Tensor) -> Tensor:
    """A loss of the user's own."""
    return outputs - targets


def sigmoidal(values: Tensor) -> Tensor:
    """Not Keras's sigmoid, although it is one."""
    return 1 / (1 + keras.ops.exp(-values))


HEADS: dict[str, tuple[Callable[[Tensor], Tensor], tuple[str, int | None, str | None]]] = {
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

    assert head_of(build) == expected


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


def trained(loss: Any, metric: Any = None, outputs: str = "list") -> list[TrainingConfig]:
    features = keras.Input((4,))
    first, second = layers.Dense(1, name="one")(features), layers.Dense(2, name="two")(features)
    model = keras.Model(features, {"list": [first, second], "dict": {"z": first, "y": second}, "one": first}[outputs])
    model.compile(loss=loss, metrics=metric)
    return [output.training for output in in_memory(model).outputs.values()]


MSE, MAE = Loss("mean_squared_error"), Loss("mean_absolute_error")
AUC = Metric("auc", from_logits=False)
ACCURACY = Metric("accuracy")


@pytest.mark.parametrize(
    ("loss", "metric", "outputs", "expected"),
    [
        ("mse", None, "one", [TrainingConfig(MSE)]),
        (["mse"], ["acc", ["auc"]], "one", [TrainingConfig(MSE, (ACCURACY, AUC))]),
        ({"one": "mse"}, {"one": "acc"}, "one", [TrainingConfig(MSE, (ACCURACY,))]),
        (None, None, "one", [UNTRAINED]),
        ("mse", None, "list", [TrainingConfig(MSE), TrainingConfig(MSE)]),
        (["mse", "mae"], [["acc"], ["auc"]], "list", [TrainingConfig(MSE, (ACCURACY,)), TrainingConfig(MAE, (AUC,))]),
        (["mse", None], ["acc", "auc"], "list", [TrainingConfig(MSE, (ACCURACY,)), TrainingConfig(None, (AUC,))]),
        ({"two": "mae", "one": "mse"}, {"two": "auc"}, "list", [TrainingConfig(MSE), TrainingConfig(MAE, (AUC,))]),
        # A dict of outputs goes by its sorted keys: y comes first.
        ({"z": "mse", "y": "mae"}, {"z": ["acc"]}, "dict", [TrainingConfig(MAE), TrainingConfig(MSE, (ACCURACY,))]),
        ({"z": "mse"}, None, "dict", [UNTRAINED, TrainingConfig(MSE)]),
        (["mae", "mse"], None, "dict", [TrainingConfig(MAE), TrainingConfig(MSE)]),
    ],
)
def test_losses_and_metrics_go_to_the_outputs_that_keras_gives_them_to(
    loss: Any, metric: Any, outputs: str, expected: list[TrainingConfig]
) -> None:
    assert trained(loss, metric, outputs) == expected


def test_weighted_metrics_count_as_well() -> None:
    model = keras.Sequential([keras.Input((4,)), dense(1)])
    model.compile(loss="mse", metrics=["mae"], weighted_metrics=["accuracy"])

    assert in_memory(model).outputs["output_0"].training.metrics == (Metric("mean_absolute_error"), ACCURACY)


@saves
def test_a_model_that_was_never_compiled_is_untrained(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), dense(1)])

    assert saved(model, tmp_path).outputs["output_0"].training is UNTRAINED


@pytest.mark.parametrize(
    "opaque", [{"anything": 3}, {"loss": 7}, {"loss": [], "metrics": {"a": {}}}, {"loss": {"q": 1}}]
)
def test_a_compile_of_the_users_own_tells_what_it_can(opaque: dict[str, Any]) -> None:
    config = keras.saving.serialize_keras_object(keras.Sequential([keras.Input((4,)), dense(1)]))

    assert from_config(config, opaque).outputs["output_0"].training in (UNTRAINED, TrainingConfig(Loss("custom")))


def objects(module: Any) -> set[str]:
    return {name for name in dir(module) if not name.startswith("_") and callable(getattr(module, name))}


def test_every_loss_of_keras_has_a_name() -> None:
    general = {"Loss", "deserialize", "get", "serialize"}

    assert {name for name in objects(losses) - general if read_loss(name) == Loss("custom")} == set()
    for name in objects(losses) - general:
        loss = getattr(losses, name)
        instance = loss() if isinstance(loss, type) else loss
        assert read_loss(keras.saving.serialize_keras_object(instance)) == read_loss(name)


def test_every_metric_of_keras_has_a_name() -> None:
    general = {"Metric", "MeanMetricWrapper", "deserialize", "get", "serialize"}

    assert {name for name in objects(metrics) - general if read_metric(name).name == "custom"} == set()


def test_no_name_means_two_things() -> None:
    for table in (LOSSES, METRICS):
        names = [name for canonical, aliases in table.items() for name in (canonical, *aliases)]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (metrics.BinaryAccuracy(), Metric("binary_accuracy", 0.5)),
        (metrics.BinaryAccuracy(threshold=0.0), Metric("binary_accuracy", 0.0)),
        (metrics.Precision(), Metric("precision", 0.5)),
        (metrics.Recall(thresholds=0), Metric("recall", 0.0)),
        (metrics.Precision(thresholds=[0.2, 0.3]), Metric("precision")),
        (metrics.Precision(top_k=2), Metric("precision")),
        (metrics.F1Score(), Metric("f1_score")),
        (metrics.F1Score(threshold=0.4), Metric("f1_score", 0.4)),
        (metrics.AUC(from_logits=True), Metric("auc", from_logits=True)),
        (metrics.BinaryCrossentropy(from_logits=True), Metric("binary_crossentropy", from_logits=True)),
        (metrics.Accuracy(), Metric("exact_accuracy")),
        (metrics.MeanMetricWrapper(losses.mean_squared_error), Metric("custom")),
    ],
)
def test_thresholds_and_logits_of_metrics_are_read(metric: keras.Metric, expected: Metric) -> None:
    assert read_metric(keras.saving.serialize_keras_object(metric)) == expected


@pytest.mark.parametrize("spelling", ["accuracy", "Accuracy", "acc", "ACC"])
def test_accuracy_by_name_stays_open(spelling: str) -> None:
    assert read_metric(spelling) == ACCURACY


@pytest.mark.parametrize("spelling", ["crossentropy", "Crossentropy", "ce", "CE"])
def test_crossentropy_by_name_stays_open(spelling: str) -> None:
    assert read_loss(spelling) == Loss("crossentropy", from_logits=False)


@keras.saving.register_keras_serializable("tests")
class BinaryCrossentropy(losses.BinaryCrossentropy):  # type: ignore[misc]
    """A class of the user's own that has a name of Keras's."""


def test_a_class_that_is_left_out_of_the_loss_is_read() -> None:
    loss = losses.SparseCategoricalCrossentropy(ignore_class=255)

    assert read_loss(keras.saving.serialize_keras_object(loss)).ignores  # type: ignore[union-attr]


def test_a_class_of_the_users_own_is_custom_whatever_its_name() -> None:
    assert read_loss(keras.saving.serialize_keras_object(BinaryCrossentropy())) == Loss("custom")


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
