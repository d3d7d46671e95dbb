"""Running a SavedModel here and now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from headwise.errors import HeadwiseError, InvalidTensorError, OutputShapeError, UnreadableModelError
from headwise.training.run import raw_outputs
from support.recordings import MODELS


@pytest.fixture(scope="module")
def odd_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signatures with a fixed batch, a scalar input, a text input, an output without rows, a failing op."""
    folder = tmp_path_factory.mktemp("odd") / "1"
    module = tf.Module()

    def signature(function: Any, **specs: Any) -> Any:
        return tf.function(function).get_concrete_function(
            **{name: tf.TensorSpec(*spec, name=name) for name, spec in specs.items()}
        )

    signatures = {
        "fixed": signature(lambda x: {"y": x + tf.reduce_sum(x * 0)}, x=((4, 2), tf.float32)),
        "scaled": signature(lambda x, by: {"y": x * by}, x=((None, 2), tf.float32), by=((), tf.float32)),
        "text": signature(lambda s: {"length": tf.strings.length(s)}, s=((None,), tf.string)),
        "count": signature(lambda n: {"y": n}, n=((None,), tf.int8)),
        "summed": signature(lambda x: {"sum": tf.reduce_sum(x), "y": x}, x=((None, 2), tf.float32)),
        "checked": signature(
            lambda x: {"y": tf.debugging.check_numerics(1 / x, "not a number")}, x=((None,), tf.float32)
        ),
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


def test_batches_give_what_one_run_gives_and_progress_is_told() -> None:
    rows = np.random.default_rng(0).random((7, 8, 8, 1), np.float32)
    told: list[tuple[int, int]] = []
    version = MODELS / "image" / "1"
    at_once = raw_outputs(version, {"image": rows})
    batched = raw_outputs(version, {"image": rows}, batch=3, progress=lambda done, of: told.append((done, of)))
    np.testing.assert_allclose(batched["output_0"], at_once["output_0"], rtol=1e-5)
    assert at_once["output_0"].shape == (7, 10)
    assert told == [(3, 7), (6, 7), (7, 7)]


@pytest.mark.parametrize("rows", [1, 4, 6])
def test_a_fixed_batch_is_filled_up(odd_model: Path, rows: int) -> None:
    x = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)
    np.testing.assert_array_equal(raw_outputs(odd_model, {"x": x}, "fixed")["y"], x)


def test_a_scalar_goes_with_every_batch(odd_model: Path) -> None:
    x = np.ones((5, 2), np.float32)
    answer = raw_outputs(odd_model, {"x": x, "by": np.float32(3)}, "scaled", batch=2)  # type: ignore[dict-item]
    np.testing.assert_array_equal(answer["y"], x * 3)


def test_numbers_and_texts_are_converted_as_in_a_request(odd_model: Path) -> None:
    assert raw_outputs(odd_model, {"s": np.array(["ab", "ü"])}, "text")["length"].tolist() == [2, 2]
    assert raw_outputs(odd_model, {"n": np.array([1, -7])}, "count")["y"].tolist() == [1, -7]
    doubled = raw_outputs(odd_model, {"x": np.array([[1, 2]]), "by": np.array(2.0)}, "scaled")
    assert doubled["y"].tolist() == [[2, 4]]


@pytest.mark.parametrize(
    ("signature", "inputs", "kind", "reason"),
    [
        ("count", {"n": np.array([1, 300])}, InvalidTensorError, "'n' holds 300: .* int8 .* cannot hold it"),
        ("count", {"n": np.array([1.5])}, InvalidTensorError, "'n' is float64: the model takes int8"),
        ("text", {"s": np.array([1])}, InvalidTensorError, "'s' is int64: the model takes string"),
        ("summed", {"x": np.ones((2, 3))}, InvalidTensorError, r"'x' is float32 \(2, 3\): the model takes float32"),
        ("summed", {"y": np.ones((2, 2))}, InvalidTensorError, "unknown input 'y'; the model's inputs are 'x'"),
        ("summed", {}, InvalidTensorError, "missing input 'x'"),
        ("summed", {"x": np.array([[1, np.nan]])}, InvalidTensorError, "numbers must be finite"),
        ("summed", {"x": np.ones((0, 2))}, InvalidTensorError, "no rows"),
        ("summed", {"x": np.ones((2, 2))}, OutputShapeError, r"output 'sum' has shape \(\) for 2 rows"),
        ("checked", {"x": np.zeros(1)}, HeadwiseError, "the model fails on these rows: .*not a number"),
        ("nope", {"x": np.zeros(1)}, UnreadableModelError, "no signature 'nope'; .* 'checked', 'count'"),
    ],
)
def test_what_does_not_fit_is_told(
    odd_model: Path, signature: str, inputs: dict[str, Any], kind: type[Exception], reason: str
) -> None:
    with pytest.raises(kind, match=reason):
        raw_outputs(odd_model, inputs, signature)


def test_outputs_may_be_chosen(odd_model: Path) -> None:
    x = np.ones((3, 2), np.float32)
    answer = raw_outputs(odd_model, {"x": x}, "summed", outputs=("y",))
    assert list(answer) == ["y"]


def test_a_model_without_its_variables_is_told(tmp_path: Path) -> None:
    version = tmp_path / "1"
    version.mkdir()
    (version / "saved_model.pb").write_bytes((MODELS / "logit" / "1" / "saved_model.pb").read_bytes())
    with pytest.raises(UnreadableModelError, match="TensorFlow cannot load it"):
        raw_outputs(version, {"features": np.ones((1, 30), np.float32)})
