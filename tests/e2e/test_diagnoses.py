"""What users ask for years: each situation as a model that is built, compiled and trained here, with its diagnosis.

`pytest -s` prints the diagnoses and the harm in figures.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from headwise.diagnostics.catalogue import code_in, diagnose
from headwise.diagnostics.data import observe
from headwise.diagnostics.diagnostic import Diagnostic
from headwise.diagnostics.survey import facts_of_keras, of_keras, of_saved_model
from headwise.errors import InvalidCardError
from headwise.heads import Head, HeadCard, SignatureHeads
from headwise.savedmodel import read
from headwise.training.checking.in_memory import described

Array = NDArray[Any]
Dense = keras.layers.Dense
BinaryCrossentropy = keras.losses.BinaryCrossentropy
YES_NO = ("no", "yes")


def _sigmoid(z: Any) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.asarray(z, np.float64))))


def overlapping(weights: tuple[float, float], bias: float, rows: int = 600) -> tuple[Array, Array]:
    """Features (rows, 2), and targets (rows,) of 0 and 1 drawn with the probability sigmoid(x @ weights + bias)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 2)).astype(np.float32)
    return x, (rng.random(rows) < _sigmoid(x @ weights + bias)).astype(np.float32)


X, Y = overlapping((1.5, -1.0), -0.7)


def trained(
    *layers: keras.layers.Layer, loss: Any, metrics: tuple[Any, ...] = (), x: Array = X, y: Array = Y, steps: int = 200
) -> keras.Model:
    """A small model after `steps` steps over all rows; one epoch, because epochs cost more than steps."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile(keras.optimizers.Adam(0.05), loss, metrics=list(metrics), jit_compile=False)
    model.fit(*(np.concatenate([rows] * steps) for rows in (x, y)), batch_size=len(x), shuffle=False, verbose=0)
    return model


def raw_of(model: keras.Model, x: Array = X) -> Array:
    return np.asarray(model(x))


def of_data(model: keras.Model, raw: Array | None = None, targets: Array | None = None) -> tuple[Diagnostic, ...]:
    (facts,) = facts_of_keras(described(model))
    return diagnose(replace(facts, data=observe(raw, targets)))


def exported(model: keras.Model, folder: Path, head: Head | None = None) -> tuple[Diagnostic, ...]:
    """What the graph says, under a card or without."""
    model.export(folder, verbose=False)
    card = None if head is None else HeadCard(1, {"serving_default": SignatureHeads({"output_0": head})})
    return of_saved_model(read(folder), card)


def show(harm: str, found: tuple[Diagnostic, ...], *codes: str) -> None:
    """Print the situation, and see that it is diagnosed as these codes and no others."""
    print(f"\n{harm}")
    for diagnostic in found:
        print(f"  {diagnostic.severity} {diagnostic.code}: {diagnostic.message}\n    {diagnostic.fix}")
    assert [diagnostic.code for diagnostic in found] == list(codes)


def _log_loss(p: Array, y: Array = Y) -> float:
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))


def _accuracy_of(model: keras.Model, x: Array, y: Array) -> float:
    return float(model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"])


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis -1")
def test_one_softmax_unit_always_answers_1(tmp_path: Path) -> None:
    model = trained(Dense(1, activation="softmax"), loss="binary_crossentropy", metrics=("accuracy",))
    raw = raw_of(model)

    assert (raw == 1).all()
    assert _accuracy_of(model, X, Y) == pytest.approx(Y.mean())
    share = f"accuracy {_accuracy_of(model, X, Y):.3f}, the share of ones"
    show(f"Dense(1) with softmax: {len(raw)} rows, all exactly 1; {share}", of_keras(described(model)), "HW101")
    show("  ... and as an exported graph", exported(model, tmp_path), "HW101")
    with pytest.raises(InvalidCardError) as refused:
        Head("binary", "softmax", YES_NO).layout(1)
    assert code_in(str(refused.value)) == "HW101"


def test_four_classes_under_one_sigmoid_drive_the_loss_below_zero_without_end() -> None:
    four = np.clip(np.digitize(X[:, 0], (-0.7, 0.0, 0.7)), 0, 3).astype(np.float32)
    pixels = X * 100
    models = [
        trained(Dense(1, activation="sigmoid"), loss="binary_crossentropy", x=pixels, y=four, steps=steps)
        for steps in (50, 500)
    ]
    early, late = (float(model.evaluate(pixels, four, verbose=0)) for model in models)
    right = np.mean((raw_of(models[1], pixels)[:, 0] > 0.5) == four)

    assert late < 5 * early < 0
    assert late < -1000
    harm = f"four classes, one sigmoid unit: loss {early:,.0f} after 50 steps, {late:,.0f} after 500"
    show(f"{harm}; {right:.3f} of the rows right", of_data(models[1], targets=four), "HW103")
    show("  ... without the targets nothing can be known", of_keras(described(models[1])))


def test_binary_crossentropy_on_a_linear_layer_trains_on_another_loss() -> None:
    wrong = trained(Dense(1), loss="binary_crossentropy")
    right = trained(Dense(1), loss=BinaryCrossentropy(from_logits=True))
    found, wanted = (_log_loss(_sigmoid(raw_of(model)[:, 0])) for model in (wrong, right))
    positive = [float((raw_of(model) > 0).mean()) for model in (wrong, right)]

    assert found > wanted + 0.1
    harm = f"log loss {found:.3f} instead of {wanted:.3f}, {positive[0]:.0%} of the rows above 0, not {positive[1]:.0%}"
    show(f"loss='binary_crossentropy' on Dense(1): {harm}", of_keras(described(wrong)), "HW104")
    show("  ... with from_logits=True", of_keras(described(right)))


def test_accuracy_on_a_logit_is_cut_at_one_half_instead_of_0() -> None:
    x, y = overlapping((0.5, -0.3), 0.25)
    loss, right = BinaryCrossentropy(from_logits=True), keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)
    model = trained(Dense(1), loss=loss, metrics=("accuracy",), x=x, y=y)
    z = raw_of(model, x)[:, 0]
    told, cut_at_half, cut_at_0 = _accuracy_of(model, x, y), np.mean((z > 0.5) == y), np.mean((z > 0) == y)

    assert told == pytest.approx(cut_at_half)
    assert told < cut_at_0 - 0.03
    between = int(((z > 0) & (z <= 0.5)).sum())
    harm = f"Keras prints accuracy {told:.3f}, cut at 0 it is {cut_at_0:.3f}; {between} of {len(z)} rows lie between"
    show(harm, of_keras(described(model)), "HW106")
    model.compile(loss=loss, metrics=[right])
    assert _accuracy_of(model, x, y) == pytest.approx(cut_at_0)
    show("  ... with BinaryAccuracy(threshold=0.0)", of_keras(described(model)))


def test_a_graph_that_ends_in_a_sigmoid_gets_a_second_one_under_a_card_that_says_linear(tmp_path: Path) -> None:
    model = trained(Dense(1, activation="sigmoid"), loss="binary_crossentropy")
    raw = raw_of(model)
    declared, meant = Head("binary", "linear", YES_NO), Head("binary", "sigmoid", YES_NO)
    doubled, single = declared.predict(raw), meant.predict(raw)

    assert doubled.probabilities is not None
    low, high = doubled.probabilities[:, 1].min(), doubled.probabilities[:, 1].max()
    assert 0.5 <= low < high < 0.7311
    assert doubled.indices is not None
    assert single.indices is not None
    assert (doubled.indices == 1).all()
    was, became = np.mean(single.indices == Y), np.mean(doubled.indices == Y)
    harm = (
        f"sigmoid of a sigmoid: {low:.3f} to {high:.3f}, every row positive, accuracy {became:.3f} instead of {was:.3f}"
    )
    show(harm, exported(model, tmp_path / "1", declared), "HW108")
    show("  ... under the right card", exported(model, tmp_path / "2", meant))


@pytest.mark.parametrize("beneath", ["sigmoid", "relu"])
def test_a_sigmoid_on_an_activation_is_never_below_one_half(beneath: str, tmp_path: Path) -> None:
    model = trained(Dense(1, activation=beneath), keras.layers.Activation("sigmoid"), loss="binary_crossentropy")
    p = raw_of(model)[:, 0]

    assert p.min() >= 0.5
    harm = f"sigmoid of a {beneath}: {p.min():.3f} to {p.max():.3f}, and {Y.mean():.0%} of the rows are positive"
    show(harm, of_keras(described(model)), "HW117")
    show("  ... and as an exported graph", exported(model, tmp_path, Head("binary", "sigmoid", YES_NO)), "HW117")


def test_two_softmax_units_are_one_sigmoid_unit(tmp_path: Path) -> None:
    model = trained(Dense(2, activation="softmax"), loss="sparse_categorical_crossentropy", metrics=("accuracy",))
    kernel, bias = model.layers[-1].get_weights()
    one = keras.Sequential([keras.Input((2,)), Dense(1, activation="sigmoid")])
    one.layers[-1].set_weights([kernel[:, 1:] - kernel[:, :1], bias[1:] - bias[:1]])
    apart = np.abs(raw_of(model)[:, 1] - raw_of(one)[:, 0]).max()

    assert apart < 1e-6
    harm = f"two softmax units, and one sigmoid unit with the difference of the weights: at most {apart:.1e} apart"
    show(harm, of_keras(described(model)), "HW112")
    assert {found.code for found in exported(model, tmp_path)} == {"HW112", "HW124"}


def test_of_two_logits_the_sum_says_nothing() -> None:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = trained(Dense(2, kernel_initializer="zeros"), loss=loss)
    (found,) = of_data(model, raw=raw_of(model))

    show("two logits that began at zero", (found,), "HW112")
    raw = observe(raw_of(model)).raw
    assert raw is not None
    assert raw.pair_sum is not None
    assert raw.pair_sum < 1e-3  # the gradients of the two are opposite, so z0 + z1 stays where it began


def test_two_softmax_units_under_binary_crossentropy_are_too_sure() -> None:
    """Keras on TensorFlow takes the logits behind the softmax, and trains each as a sigmoid."""
    pair = np.stack([1 - Y, Y], axis=1)
    sure = trained(Dense(2, activation="softmax"), loss="binary_crossentropy", y=pair)
    right = trained(Dense(2, activation="softmax"), loss="categorical_crossentropy", y=pair)
    one = trained(Dense(1), loss=BinaryCrossentropy(from_logits=True))
    answers, wanted = (raw_of(model)[:, 1] for model in (sure, right))
    z = raw_of(one)[:, 0]

    np.testing.assert_allclose(wanted, _sigmoid(z), atol=0.03)
    np.testing.assert_allclose(answers, _sigmoid(2 * z), atol=0.03)
    assert _log_loss(answers) > _log_loss(wanted) + 0.02
    harm = f"softmax under binary cross-entropy: log loss {_log_loss(answers):.3f} instead of {_log_loss(wanted):.3f}"
    found = of_keras(described(sure))
    show(harm, found, "HW107", "HW112")


@pytest.mark.filterwarnings('ignore:"`binary_crossentropy` received `from_logits=True`')
def test_from_logits_on_a_sigmoid_is_a_second_sigmoid_unless_it_is_the_very_last_step() -> None:
    loss = BinaryCrossentropy(from_logits=True)
    last = trained(Dense(1, activation="sigmoid"), loss=loss)
    behind = trained(Dense(1, activation="sigmoid"), keras.layers.Reshape((1,)), loss=loss)
    saved, lost = (_log_loss(raw_of(model)[:, 0]) for model in (last, behind))

    assert saved < _log_loss(_sigmoid(X @ (1.5, -1.0) - 0.7)) + 0.01
    assert lost > saved + 0.1
    (warning,), (error,) = of_keras(described(last)), of_keras(described(behind))
    assert (warning.severity, error.severity) == ("warning", "error")
    show(f"from_logits=True on a sigmoid, the last step: log loss {saved:.3f}", (warning,), "HW105")
    show(f"  ... and with a Reshape after it: log loss {lost:.3f}", (error,), "HW105")


def test_accuracy_of_labels_is_what_the_largest_one_says() -> None:
    labels = np.stack([Y, 1 - Y, (X[:, 0] > 0).astype(np.float32)], axis=1)
    model = trained(Dense(3, activation="sigmoid"), loss="binary_crossentropy", metrics=("accuracy",), y=labels)
    p = raw_of(model)
    told, right = _accuracy_of(model, X, labels), np.mean((p >= 0.5) == (labels == 1))

    assert told == pytest.approx(np.mean(p.argmax(axis=1) == labels.argmax(axis=1)))
    assert abs(told - right) > 0.05
    show(f"Keras prints accuracy {told:.3f}; of all labels {right:.3f} are right", of_keras(described(model)), "HW122")


@pytest.mark.filterwarnings("ignore:In loss categorical_crossentropy, expected y_pred.shape")
def test_a_categorical_loss_over_one_unit_is_always_0() -> None:
    model = trained(Dense(1, activation="sigmoid"), loss="categorical_crossentropy", y=Y[:, None])
    p = raw_of(model)[:, 0]

    assert float(model.evaluate(X, Y[:, None], verbose=0)) == 0
    assert _log_loss(p) > 2 * np.log(2)
    harm = f"categorical cross-entropy over one unit: Keras prints loss 0, the log loss is {_log_loss(p):.2f}"
    show(harm, of_keras(described(model)), "HW121")


def test_a_regression_declared_a_classifier_is_nearly_always_positive() -> None:
    model = trained(Dense(1), loss="mean_squared_error")
    head = Head("binary", "linear", YES_NO)
    answer = head.predict(raw_of(model))
    (facts,) = facts_of_keras(described(model))

    assert answer.indices is not None
    positive = answer.indices.mean()
    assert positive > Y.mean() + 0.3
    harm = f"mse on 0 and 1, read as a logit: {positive:.0%} of the rows positive, {Y.mean():.0%} are"
    show(harm, diagnose(replace(facts, declared=head)), "HW110")


def test_a_head_in_half_precision_is_sure_too_early(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), Dense(1, activation="sigmoid", dtype="mixed_float16")])
    model.layers[-1].set_weights([np.array([[9.0], [0.0]]), np.zeros(1)])
    half = raw_of(model, np.ones((1, 2), np.float32))

    assert half.dtype == np.float16
    assert half.item() == 1 > _sigmoid(9.0).astype(np.float32)
    show("a float16 sigmoid of 9 is exactly 1", exported(model, tmp_path, Head("binary", "sigmoid", YES_NO)), "HW123")


def test_a_target_that_the_loss_leaves_out_is_no_class() -> None:
    model = keras.Sequential([keras.Input((2,)), Dense(3, activation="softmax")])
    targets = np.array([0, 2, 255])

    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(ignore_class=255))
    assert of_data(model, targets=targets) == ()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy())
    assert [found.code for found in of_data(model, targets=targets)] == ["HW113"]
