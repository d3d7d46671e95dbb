"""Heads as Keras and TensorFlow export them: what is detected is what was built, and unknown where it has no name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import pytest
import tensorflow as tf
import tf_keras
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from headwise import savedmodel
from headwise.savedmodel import UNKNOWN
from headwise.savedmodel.signature import Shape
from support.keras_models import save_graph

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:[\s\S]*You are using a softmax over axis:UserWarning"),
]

layers, ops = keras.layers, keras.ops
Layers = Any
"""keras.layers or tf_keras.layers."""

NAMED = ("linear", "sigmoid", "softmax", "log_softmax", "tanh", "relu", "elu", "softplus", "exponential")
NAMELESS = ("gelu", "silu", "hard_sigmoid", "mish", "log_sigmoid")
ROW_WISE = ("softmax", "log_softmax")


@dataclass(frozen=True)
class Output:
    """A tensor of a network, what it should be taken for, and whether the rows of the last axis are still whole."""

    tensor: Any
    activation: str
    whole: bool = True
    beneath: str | None = None

    @property
    def shape(self) -> Shape:
        return tuple(self.tensor.shape)

    @property
    def expected(self) -> str:
        return self.activation if self.whole or self.activation not in ROW_WISE else UNKNOWN

    @property
    def units(self) -> int | None:
        return 1 if len(self.shape) == 1 else self.shape[-1]


def always(_: Shape) -> bool:
    return True


def never(_: Shape) -> bool:
    return False


@dataclass(frozen=True)
class Wrapper:
    """Something that is put behind a head. fits: the shapes that it takes; keeps: whether rows stay whole."""

    apply: Callable[[Any], Any]
    fits: Callable[[Shape], bool] = always
    keeps: Callable[[Shape], bool] = always

    def on(self, output: Output) -> Output:
        if not self.fits(output.shape):
            return output
        whole = output.whole and self.keeps(output.shape)
        beneath = output.beneath if whole or output.activation not in ROW_WISE else None
        return Output(self.apply(output.tensor), output.activation, whole, beneath)


@dataclass(frozen=True)
class Formula(Wrapper):
    """Arithmetic that makes any head one without a name."""

    def on(self, output: Output) -> Output:
        return Output(self.apply(output.tensor), UNKNOWN)


@dataclass(frozen=True)
class Again(Wrapper):
    """One activation on another."""

    activation: str = "sigmoid"

    def on(self, output: Output) -> Output:
        if len(output.shape) < 2:
            return output
        under = output.expected
        beneath = under if under not in ("linear", UNKNOWN) else None
        return Output(self.apply(output.tensor), self.activation, beneath=beneath)


def fresh(kind: Callable[..., Any], *arguments: Any, **options: Any) -> Callable[[Any], Any]:
    """A new layer at each use: a layer learns the shape that it is first used on."""

    def use(tensor: Any) -> Any:
        return kind(*arguments, **options)(tensor)

    return use


def tensorflow(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A Lambda layer; its output's shape is inferred by running it."""
    return fresh(layers.Lambda, function)


def of_rank(*ranks: int) -> Callable[[Shape], bool]:
    return lambda shape: len(shape) in ranks


def one_unit(shape: Shape) -> bool:
    return shape[-1] == 1


WRAPPERS: dict[str, Wrapper] = {
    "cast to double": Wrapper(tensorflow(lambda z: tf.cast(z, tf.float64))),
    "cast to half and back": Wrapper(lambda z: ops.cast(ops.cast(z, "float16"), "float32")),
    "layer that casts": Wrapper(fresh(layers.Activation, "linear", dtype="float64")),
    "stop_gradient": Wrapper(ops.stop_gradient),
    "check_numerics": Wrapper(tensorflow(lambda z: tf.debugging.check_numerics(z, "head"))),
    "identity_n": Wrapper(tensorflow(lambda z: tf.identity_n([z, z])[1])),
    "fake quantisation": Wrapper(
        tensorflow(lambda z: tf.cast(tf.quantization.fake_quant_with_min_max_args(tf.cast(z, tf.float32)), z.dtype))
    ),
    "dropout": Wrapper(fresh(layers.Dropout, 0.5)),
    "function": Wrapper(tensorflow(tf.function(tf.identity))),
    "reshape": Wrapper(lambda z: layers.Reshape((1, z.shape[-1]))(z), of_rank(2)),
    "flatten": Wrapper(fresh(layers.Flatten), of_rank(2)),
    "flatten positions": Wrapper(fresh(layers.Flatten), of_rank(3), lambda shape: shape[1] == 1),
    "regroup": Wrapper(lambda z: layers.Reshape((z.shape[-1], 1))(z), of_rank(2), one_unit),
    "new axis": Wrapper(tensorflow(lambda z: z[:, tf.newaxis]), of_rank(2)),
    "squeeze": Wrapper(lambda z: ops.squeeze(z, -1), lambda shape: len(shape) == 2 and one_unit(shape)),
    "one unit": Wrapper(lambda z: z[:, 0], of_rank(2), one_unit),
    "one unit of each position": Wrapper(lambda z: z[..., 0], of_rank(3), never),
    "last position": Wrapper(lambda z: z[:, -1], of_rank(3)),
    "last position by ellipsis": Wrapper(tensorflow(lambda z: z[..., -1, :]), of_rank(3)),
    "but one unit": Wrapper(lambda z: z[..., : z.shape[-1] - 1], lambda shape: (shape[-1] or 0) > 1, never),
    "twice": Wrapper(lambda z: layers.Concatenate(axis=-1)([z, z]), of_rank(2, 3), never),
    "stack": Wrapper(lambda z: ops.stack([z, z], axis=1), of_rank(2)),
    "stack of units": Wrapper(lambda z: ops.stack([z, z], axis=-1), of_rank(2), never),
    "longer": Wrapper(lambda z: layers.Concatenate(axis=1)([z, z]), of_rank(3)),
    "permute": Wrapper(fresh(layers.Permute, (2, 1)), of_rank(3), never),
    "swap positions": Wrapper(lambda z: ops.transpose(z, (1, 0, 2))[0], of_rank(3)),
    "split": Wrapper(lambda z: ops.split(z, 2, axis=-1)[0], lambda shape: shape[-1] == 4, never),
    "sigmoid": Again(fresh(layers.Activation, "sigmoid"), activation="sigmoid"),
    "softmax": Again(fresh(layers.Softmax), activation="softmax"),
    "double it": Formula(lambda z: z * 2),
    "its complement": Formula(lambda z: 1 - z),
    "clip": Formula(tensorflow(lambda z: tf.clip_by_value(z, 0, 1))),
    "sigmoid by hand": Formula(tensorflow(lambda z: 1 / (1 + tf.exp(-z)))),
    "mean of two": Formula(lambda z: layers.Average()([z, z])),
    "choice": Formula(lambda z: ops.where(z > 0.5, z, 0)),
}

CHEAP = sorted(name for name, wrapper in WRAPPERS.items() if not isinstance(wrapper, Formula))


def applied_by_layer(activation: str, units: int, policy: str) -> Layers:
    return layers.Dense(units, activation=activation, dtype=policy)


def applied_after(activation: str, units: int, policy: str) -> Layers:
    last = layers.Softmax(dtype="float32") if activation == "softmax" else layers.Activation(activation)
    return keras.Sequential([layers.Dense(units, dtype=policy), last])


def applied_by_lambda(activation: str, units: int, policy: str) -> Layers:
    function = getattr(keras.activations, activation)
    return keras.Sequential([layers.Dense(units, dtype=policy), layers.Lambda(function)])


def nested(activation: str, units: int, policy: str) -> Layers:
    given = keras.Input((5,))
    inner = keras.Model(given, layers.Dense(units, activation, dtype=policy)(given))
    outer = keras.Input((5,))
    return keras.Model(outer, inner(outer))


def in_two_layers(activation: str, units: int, policy: str) -> Layers:
    return keras.Sequential([layers.Dense(3, "sigmoid", dtype=policy), layers.Dense(units, activation, use_bias=False)])


FORMS = (applied_by_layer, applied_after, applied_by_lambda, nested, in_two_layers)


@dataclass(frozen=True)
class Recipe:
    """How one head is built."""

    activation: str
    units: int
    form: Callable[[str, int, str], Layers]
    policy: str
    timed: str
    wrappers: tuple[str, ...]

    def build(self, row: Any, sequence: Any) -> Output:
        head = self.form(self.activation, self.units, self.policy)
        if self.timed == "time distributed":
            tensor = layers.TimeDistributed(head)(sequence)
        elif self.timed == "each position" and self.form is applied_by_layer:
            tensor = head(sequence)
        else:
            tensor = head(row)
        output = Output(tensor, UNKNOWN if self.activation in NAMELESS else self.activation)
        for name in self.wrappers:
            output = WRAPPERS[name].on(output)
        return output


RECIPES = st.builds(
    Recipe,
    st.sampled_from(NAMED + NAMED + NAMELESS),
    st.integers(1, 4),
    st.sampled_from(FORMS),
    st.sampled_from(["float32", "float32", "mixed_float16", "mixed_bfloat16"]),
    st.sampled_from(["row", "row", "each position", "time distributed"]),
    st.one_of(
        st.lists(st.sampled_from(CHEAP), max_size=4).map(tuple),
        st.lists(st.sampled_from(sorted(WRAPPERS)), max_size=3).map(tuple),
    ),
)


def export(network: keras.Model, folder: Path) -> None:
    network.export(folder, verbose=False)


def differences(recipes: list[Recipe], save: Callable[[keras.Model, Path], None] = save_graph) -> list[str]:
    """Save one model with a head for each recipe, and say where detection is not what was built."""
    row, sequence = keras.Input((5,), name="row"), keras.Input((3, 5), name="sequence")
    outputs = {f"o{i:02}": recipe.build(row, sequence) for i, recipe in enumerate(recipes)}
    network = keras.Model({"row": row, "sequence": sequence}, {name: made.tensor for name, made in outputs.items()})
    with TemporaryDirectory() as folder:
        save(network, Path(folder))
        heads = savedmodel.read(Path(folder)).detected["serving_default"]
    assert heads.keys() == outputs.keys()
    return [
        f"{recipe}: expected {made.expected}, {made.units}, {made.beneath}; detected {heads[name]}"
        for recipe, (name, made) in zip(recipes, outputs.items(), strict=True)
        if (heads[name].activation, heads[name].units, heads[name].beneath)
        != (made.expected, made.units, made.beneath if made.expected != UNKNOWN else None)
    ]


@settings(max_examples=3, phases=[Phase.generate])
@given(st.lists(RECIPES, min_size=30, max_size=30))
def test_any_head_is_detected_as_it_was_built(recipes: list[Recipe]) -> None:
    """Each example is one export with 30 heads; without shrinking, which would export hundreds of times."""
    assert differences(recipes, export) == []


def test_every_wrapper_is_followed_behind_every_kind_of_head() -> None:
    recipes = [
        Recipe(activation, units, applied_by_layer, "float32", "each position" if rank == 3 else "row", (name,))
        for name, wrapper in WRAPPERS.items()
        for rank in (2, 3)
        for activation, units in (("softmax", 4), ("softmax", 1), ("sigmoid", 4))
        if wrapper.fits((None, 5, units)[-rank:] if rank == 3 else (None, units))
    ]

    assert differences(recipes) == []


def test_every_activation_is_detected_in_every_form() -> None:
    recipes = [Recipe(name, 3, form, "float32", "row", ()) for name in NAMED + NAMELESS for form in FORMS]

    assert differences(recipes) == []


def test_layers_that_are_linear_are_said_to_be() -> None:
    row, sequence = keras.Input((5,)), keras.Input((6, 5))
    adapted = layers.Dense(3)
    outputs = {
        "convolution": layers.Conv1D(3, 2)(sequence),
        "dilated": layers.Conv1D(3, 2, dilation_rate=2)(sequence),
        "transposed": layers.Conv1DTranspose(3, 2)(sequence),
        "einsum": layers.EinsumDense("ab,bc->ac", output_shape=3, bias_axes="c")(row),
        "sum": layers.Add()([layers.Dense(3)(row), layers.Dense(3)(row)]),
        "low rank": adapted(row),
        "attention": layers.MultiHeadAttention(2, 3, output_shape=3)(sequence, sequence),
    }
    adapted.enable_lora(2)
    network = keras.Model([row, sequence], outputs)

    assert activations(network.export, {"verbose": False}) == dict.fromkeys(outputs, ("linear", 3))


@pytest.mark.filterwarnings("ignore")
def test_quantised_heads_are_detected() -> None:
    given = keras.Input((16,))
    expected = {name: (name, 4) for name in ("linear", "sigmoid", "softmax", "tanh")}
    for mode in ("int8", "int4", "float8"):
        network = keras.Model(given, {name: layers.Dense(4, activation=name)(given) for name in expected})
        network.quantize(mode)
        assert activations(network.export, {"verbose": False}) == expected, mode


@pytest.mark.filterwarnings("ignore")
def test_heads_of_keras_two_are_detected() -> None:
    old = tf_keras.layers
    row, sequence = tf_keras.Input((5,)), tf_keras.Input((6, 5))
    heads = {f"{name}_head": old.Dense(3, activation=name, name=f"{name}_head") for name in NAMED}
    outputs = {name: head(row) for name, head in heads.items()}
    outputs |= {
        "timed": old.TimeDistributed(old.Dense(3, activation="softmax"), name="timed")(sequence),
        "grid": old.Reshape((3, 1), name="grid")(old.Dense(3, activation="softmax")(row)),
        "doubled": old.Activation("sigmoid", name="doubled")(old.Dense(3, activation="sigmoid")(row)),
        "mixed": old.Activation("softmax", dtype="float32", name="mixed")(old.Dense(3, dtype="mixed_float16")(row)),
        "positions": old.Dense(3, name="positions")(sequence),
    }
    expected: dict[str, tuple[str, int]] = {f"{name}_head": (name, 3) for name in NAMED}
    expected |= {"timed": ("softmax", 3), "grid": (UNKNOWN, 1), "doubled": ("sigmoid", 3)}
    expected |= {"mixed": ("softmax", 3), "positions": ("linear", 3)}
    network = tf_keras.Model([row, sequence], list(outputs.values()))

    assert activations(network.save, {"save_format": "tf"}) == expected
    assert activations(network.export, {}).keys() == {f"output_{i}" for i in range(len(outputs))}


class Plain(tf.Module):  # type: ignore[misc]  # TensorFlow has no types
    """A network without Keras, which answers with a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.random.normal((5, 3)))
        self.table = tf.constant([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])

    @tf.function(input_signature=[tf.TensorSpec([None, 5], tf.float32)])  # type: ignore[untyped-decorator]
    def __call__(self, x: Any) -> dict[str, Any]:
        logits = self._logits(x)
        p = tf.nn.softmax(logits)
        return {
            "logits": logits,
            "p": p,
            "positive": p[:, 1],
            "coarse": tf.matmul(p, self.table),
            "branch": tf.cond(tf.reduce_sum(x) > 0, lambda: p, lambda: 1 - p),
            "loop": tf.while_loop(lambda z: tf.reduce_sum(z) > 1, lambda z: [z / 2], [p])[0],
            "either": tf.where(p > 0.5, p, 0.0),
            "each": tf.map_fn(tf.nn.sigmoid, logits),
            "index": tf.argmax(p, -1),
            "best": tf.cast(tf.argmax(p, -1), tf.float32),
            "similarity": tf.matmul(x, x, transpose_b=True),
            "same": tf.identity(x),
        }

    @tf.function  # type: ignore[untyped-decorator]
    def _logits(self, x: Any) -> Any:
        return tf.matmul(x, self.kernel)


def test_plain_modules_are_detected_and_what_has_no_name_is_unknown() -> None:
    found = activations(lambda folder: tf.saved_model.save(Plain(), folder), {})

    assert found["logits"] == ("linear", 3)
    assert found["p"] == ("softmax", 3)
    assert "index" not in found
    assert {name for name, (activation, _) in found.items() if activation != UNKNOWN} == {"logits", "p"}


def activations(export: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, tuple[str, int | None]]:
    """What is detected after an export, by output."""
    with TemporaryDirectory() as folder:
        export(folder, **options)
        heads = savedmodel.read(Path(folder)).detected["serving_default"]
    return {name: (head.activation, head.units) for name, head in heads.items()}
