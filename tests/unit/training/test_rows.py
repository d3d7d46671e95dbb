"""The rows of an export: every form in which Keras takes validation data, and made-up ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headwise.errors import InvalidRequestError
from headwise.savedmodel.signature import Signature, TensorSpec
from headwise.training.rows import MOST_ROWS, CannotMakeUpError, Names, given, made_up, rows_to_try

ONE = Signature({"features": TensorSpec("float32", (None, 2))}, {"output_0": TensorSpec("float32", (None, 1))})
TWO = Signature(
    {"age": TensorSpec("float32", (None, 1)), "image": TensorSpec("float32", (None, 4, 4))},
    {"output_0": TensorSpec("float32", (None, 1)), "output_1": TensorSpec("float32", (None, 3))},
)
ONE_NAMES = Names(("features",), {"risk": "output_0"})
TWO_NAMES = Names(("image", "age"), {"risk": "output_0", "kind": "output_1"})
X, Y = np.ones((3, 2)), np.array([0, 1, 0])
IMAGES, AGES = np.zeros((3, 4, 4)), np.arange(3.0)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param((X, Y), id="x and y"),
        pytest.param((X, Y, np.ones(3)), id="x, y and weights"),
        pytest.param(({"features": X}, {"output_0": Y}), id="by the signature's names"),
        pytest.param(({"features": X}, {"risk": Y}), id="by Keras's names"),
        pytest.param((X.tolist(), Y.tolist()), id="lists of numbers"),
        pytest.param(([X], [Y]), id="lists of one array"),
    ],
)
def test_rows_of_one_input(data: Any) -> None:
    rows = given(data, ONE, ONE_NAMES, ["output_0"])

    assert list(rows.inputs) == ["features"]
    assert list(rows.targets) == ["output_0"]
    np.testing.assert_array_equal(rows.inputs["features"], X)
    np.testing.assert_array_equal(rows.targets["output_0"], Y)


@pytest.mark.parametrize("data", [X, (X,), (X, None), {"features": X}])
def test_rows_without_targets(data: Any) -> None:
    rows = given(data, ONE, ONE_NAMES, ["output_0"])

    np.testing.assert_array_equal(rows.inputs["features"], X)
    assert rows.targets == {}


@pytest.mark.parametrize("x", [[IMAGES, AGES], {"age": AGES, "image": IMAGES}])
@pytest.mark.parametrize("y", [[Y, np.eye(3)], {"kind": np.eye(3), "risk": Y}])
def test_lists_are_in_the_models_order_and_a_vector_becomes_the_column_that_the_model_takes(x: Any, y: Any) -> None:
    rows = given((x, y), TWO, TWO_NAMES, ["output_0", "output_1"])

    assert {name: array.shape for name, array in rows.inputs.items()} == {"image": (3, 4, 4), "age": (3, 1)}
    assert {name: array.shape for name, array in rows.targets.items()} == {"output_0": (3,), "output_1": (3, 3)}


def test_of_many_rows_evenly_spaced_ones_are_taken_and_all_targets() -> None:
    rows = given((np.arange(2000.0).reshape(1000, 2), np.arange(1000)), ONE, ONE_NAMES, ["output_0"])
    taken = rows.inputs["features"]

    assert len(taken) == MOST_ROWS
    assert (taken[0, 0], taken[-1, 0]) == (0, 1998)
    assert len(rows.targets["output_0"]) == 1000


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param((X, Y[:2]), "differ in their number of rows: features 3, output_0 2", id="rows differ"),
        pytest.param(X[:0], "no rows", id="no rows"),
        pytest.param({"other": X}, "'other' is no input: the model's are 'features'", id="an unknown input"),
        pytest.param((X, {"other": Y}), "'other' is no output", id="an unknown output"),
        pytest.param((X, Y, Y, Y), "a tuple of 4", id="a tuple of four"),
        pytest.param((row for row in X), "input 'features' is a generator: arrays with rows", id="a generator"),
        pytest.param([[1.0, 2.0], [3.0]], "input 'features' is no array with rows", id="ragged"),
    ],
)
def test_what_does_not_fit_is_refused(data: Any, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        given(data, ONE, ONE_NAMES, ["output_0"])


def test_one_array_for_two_inputs_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="1 input array for 2 inputs: give them by name, from 'image', 'age'"):
        given(X, TWO, TWO_NAMES, ["output_0"])


def test_made_up_rows_fit_the_signature_and_are_the_same_every_time() -> None:
    signature = Signature(
        {
            "features": TensorSpec("float32", (None, 2)),
            "half": TensorSpec("float16", (None,)),
            "tokens": TensorSpec("int32", (None, None)),
            "flags": TensorSpec("bool", (8, 3)),
            "pixels": TensorSpec("uint8", (None, 4, 4, 3)),
        },
        {},
    )
    rows, again = made_up(signature).inputs, made_up(signature).inputs

    assert {name: (array.dtype.name, array.shape[1:]) for name, array in rows.items()} == {
        "features": ("float32", (2,)),
        "half": ("float16", ()),
        "tokens": ("int32", (32,)),
        "flags": ("bool", (3,)),
        "pixels": ("uint8", (4, 4, 3)),
    }
    assert set(np.unique(rows["tokens"])) == {0, 1}
    assert rows["pixels"].max() > 200
    assert len({len(array) for array in rows.values()}) == 1
    for name, array in rows.items():
        np.testing.assert_array_equal(array, again[name])


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (TensorSpec("string", (None,)), "string"),
        (TensorSpec("complex64", (None,)), "complex64"),
        (TensorSpec("float32", None), "says nothing of a row's shape"),
    ],
)
def test_rows_that_cannot_be_made_up_are_not_guessed(spec: TensorSpec, reason: str) -> None:
    with pytest.raises(CannotMakeUpError, match=f"input 'x' .*{reason}"):
        made_up(Signature({"x": spec}, {}))


def test_a_new_version_is_tried_on_golden_rows_and_on_made_up_ones_where_there_can_be_any() -> None:
    text = Signature({"text": TensorSpec("string", (None,))}, {})
    golden = {"text": np.array(["good"], object)}

    assert [len(batch["features"]) for batch in rows_to_try(ONE, [{"features": X}])] == [3, 64]
    assert rows_to_try(text, [golden]) == [golden]
    with pytest.raises(CannotMakeUpError, match="input 'text' is string"):
        rows_to_try(text, [])
