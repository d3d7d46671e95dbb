"""`headwise.check` and the callback: the catalogue, at compile and at fit."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import keras
import numpy as np
import pytest

import headwise
from headwise import HeadCheck, HeadwiseWarning
from headwise.errors import InvalidCardError, InvalidRequestError

BCE_LOGITS = keras.losses.BinaryCrossentropy(from_logits=True)
ROWS = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
FOUR = np.arange(64) % 4


def dense(units: int, activation: str | None, loss: Any, **compiling: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, activation=activation)])
    model.compile(keras.optimizers.SGD(1.0), loss, jit_compile=False, **compiling)
    return model


def fit(model: keras.Model, callback: HeadCheck, targets: Any = None, epochs: int = 1) -> None:
    labels = FOUR % 2 if targets is None else targets
    model.fit(ROWS, labels, epochs=epochs, batch_size=32, verbose=0, callbacks=[callback])


def codes(warned: Any) -> list[str]:
    return [str(warning.message)[:5] for warning in warned if warning.category is HeadwiseWarning]


def test_a_right_model_is_passed_in_silence() -> None:
    metrics = [keras.metrics.BinaryAccuracy(threshold=0.0)]
    model = dense(1, None, BCE_LOGITS, metrics=metrics)
    with warnings.catch_warnings(record=True, action="always") as warned:
        assert headwise.check(model, FOUR % 2, labels=["even", "odd"], raise_on_error=True) == ()
        fit(model, HeadCheck(FOUR % 2))
    assert codes(warned) == []


def test_what_is_wrong_is_warned_of_where_check_is_called_and_returned() -> None:
    model = dense(1, None, "binary_crossentropy")
    with pytest.warns(HeadwiseWarning, match=r"^HW104 output_0: .* Fix: ") as warned:
        found = headwise.check(model)

    assert [one.code for one in found if one.severity != "info"] == codes(warned)
    assert {warning.filename for warning in warned} == {__file__}


def test_an_error_can_be_raised() -> None:
    with pytest.raises(InvalidCardError, match="HW104"):
        headwise.check(dense(1, None, "binary_crossentropy"), raise_on_error=True)


def test_targets_and_labels_are_held_against_the_head() -> None:
    model = dense(1, "sigmoid", "binary_crossentropy")
    with pytest.warns(HeadwiseWarning, match="HW103"):
        headwise.check(model, FOUR)
    with pytest.warns(HeadwiseWarning, match="HW103"):
        headwise.check(model, labels=["a", "b", "c", "d"])
    with pytest.raises(InvalidRequestError, match="'other' is no output"):
        headwise.check(model, {"other": FOUR})


@pytest.mark.parametrize(
    ("targets", "reason"),
    [
        ("foo", "texts: give class indices, a 0/1 matrix or values"),
        (np.array(["no", "yes"]), "its targets are texts"),
        (np.array(["no", "yes"], dtype=object), "its targets are texts"),
        (np.array([b"0", b"1"]), "its targets are texts"),
        (1, "its targets are one number: give one a row"),
        (np.zeros((3, 2, 2)), r"its targets have shape \(3, 2, 2\), its output \(None, 1\)"),
    ],
)
def test_targets_that_are_none_are_refused(targets: Any, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        headwise.check(dense(1, "sigmoid", "binary_crossentropy"), targets)


def test_targets_of_any_axes_are_left_to_a_loss_of_ones_own() -> None:
    for loss, targets in (("binary_crossentropy", np.zeros((3, 1, 1))), (lambda _, p: p, np.zeros((3, 2, 2)))):
        headwise.check(dense(1, "sigmoid", loss), targets)


def test_the_callback_tells_each_finding_once_before_the_first_step() -> None:
    model, callback = dense(1, None, "binary_crossentropy", metrics=["accuracy"]), HeadCheck()
    with warnings.catch_warnings(record=True, action="always") as warned:
        fit(model, callback, epochs=2)
        fit(model, callback)

    assert codes(warned).count("HW104") == 1
    assert len(codes(warned)) == len(set(codes(warned)))
    assert {warning.filename for warning in warned if warning.category is HeadwiseWarning} == {__file__}


def test_the_callback_stops_before_the_first_step_if_it_is_to_raise() -> None:
    model = dense(1, None, "binary_crossentropy")
    before = model.get_weights()
    with pytest.raises(InvalidCardError, match="HW104"):
        fit(model, HeadCheck(raise_on_error=True))
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))


def test_a_cross_entropy_below_zero_tells_of_targets_that_nobody_showed() -> None:
    model = dense(1, "sigmoid", "binary_crossentropy")
    with pytest.warns(HeadwiseWarning, match=r"HW113 output_0: the loss, binary_crossentropy, fell to -") as warned:
        fit(model, HeadCheck(), FOUR, epochs=4)
    assert codes(warned) == ["HW113"]


def test_a_cross_entropy_below_zero_is_found_at_its_output() -> None:
    features = keras.Input((4,))
    risk = keras.layers.Dense(1, activation="sigmoid", name="risk")(features)
    days = keras.layers.Dense(1, name="days")(features)
    model = keras.Model(features, [days, risk])
    model.compile(keras.optimizers.SGD(1.0), ["mean_absolute_error", "binary_crossentropy"], jit_compile=False)
    with pytest.warns(HeadwiseWarning, match="HW113 output_1: "):
        fit(model, HeadCheck(), [FOUR, FOUR], epochs=4)


def test_a_value_below_zero_is_nobodys_error() -> None:
    model = dense(1, None, lambda _, predicted: -keras.ops.mean(predicted**2))
    with warnings.catch_warnings(record=True, action="always") as warned:
        fit(model, HeadCheck())
    assert codes(warned) == []


def test_a_model_that_keras_cannot_serialise_is_held_against_its_loss_alone() -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self, units: int) -> None:
            super().__init__()
            self.head = keras.layers.Dense(units)

        def call(self, x: Any) -> Any:
            return self.head(x)

        def get_config(self) -> Any:
            raise NotImplementedError

    model = Own(1)
    model.compile("sgd", lambda _, predicted: predicted)
    assert headwise.check(model) == ()
    model.compile("sgd", "binary_crossentropy")
    with pytest.warns(HeadwiseWarning, match="HW113"):
        headwise.check(model, FOUR)


def test_headwise_is_imported_without_keras() -> None:
    script = (
        "import sys, headwise; headwise.Head, headwise.HeadwiseWarning, headwise.check, headwise.export; "
        "print({'keras', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"
