"""One loaded SavedModel."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from headwise.modelserver.servable import Servable, load
from headwise.modelserver.status import StatusError
from support.recordings import MODELS


def test_it_runs_by_the_names_of_its_signature() -> None:
    servable = load("steps", 2, MODELS / "steps" / "2")
    signature = servable.signatures["serving_default"]
    feeds = {signature.inputs["x"].name: np.zeros(3, np.float32)}
    (answer,) = servable.run(feeds, [signature.outputs["y"].name], time.monotonic() + 30)
    assert answer.tolist() == [20, 20, 20]
    servable.close()


def test_a_scalar_text_is_an_array_as_every_other_output_is(tmp_path: Path) -> None:
    function = tf.function(lambda x: {"text": tf.strings.as_string(x)})
    concrete = function.get_concrete_function(tf.TensorSpec([], tf.int32, "x"))
    tf.saved_model.save(tf.Module(), str(tmp_path), signatures={"serving_default": concrete})
    servable = load("text", 1, tmp_path)
    signature = servable.signatures["serving_default"]
    feeds = {signature.inputs["x"].name: np.array(7, np.int32)}
    (answer,) = servable.run(feeds, [signature.outputs["text"].name], None)
    assert answer.shape == ()
    assert answer.tolist() == b"7"
    servable.close()


@pytest.mark.parametrize(("rows", "left_s"), [(1, -1), (60_000, -1), (60_000, 0.005)])
def test_a_deadline_that_is_over_ends_the_run(rows: int, left_s: float) -> None:
    """One that is yet to come ends a run of many rows, which is left to TensorFlow's threads."""
    servable = load("image", 1, MODELS / "image" / "1")
    signature = servable.signatures["serving_default"]
    feeds = {signature.inputs["image"].name: np.zeros((rows, 8, 8, 1), np.float32)}
    with pytest.raises(StatusError) as caught:
        servable.run(feeds, [signature.outputs["output_0"].name], time.monotonic() + left_s)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    servable.close()


@pytest.mark.parametrize("shape", [(4,), (2, 4), (1, 8, 8), (1, 1, 8, 8, 1)])
def test_a_rank_that_would_end_the_process_is_refused(shape: tuple[int, ...]) -> None:
    """The kernel of a convolution checks it, and aborts; a real TensorFlow Serving ends there."""
    servable = load("image", 1, MODELS / "image" / "1")
    signature = servable.signatures["serving_default"]
    feeds = {signature.inputs["image"].name: np.zeros(shape, np.float32)}
    with pytest.raises(StatusError, match="must be 4-dimensional") as caught:
        servable.run(feeds, [signature.outputs["output_0"].name], None)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    servable.close()


def test_a_tensor_that_the_graph_has_not_is_named() -> None:
    servable = load("steps", 2, MODELS / "steps" / "2")
    with pytest.raises(StatusError, match="nope:0"):
        servable.run({}, ["nope:0"], None)
    servable.close()


@pytest.mark.parametrize(
    ("content", "code", "reason"),
    [
        (None, grpc.StatusCode.NOT_FOUND, "Could not find SavedModel"),
        (b"this is not a SavedModel", grpc.StatusCode.DATA_LOSS, "Can't parse .* as binary proto"),
        (SavedModel().SerializeToString(), grpc.StatusCode.NOT_FOUND, "supplied tags: { serve }"),
        (None, grpc.StatusCode.NOT_FOUND, "Check that the directory exists"),
    ],
)
def test_what_cannot_be_loaded_says_why(
    tmp_path: Path, content: bytes | None, code: grpc.StatusCode, reason: str
) -> None:
    if content is not None:
        (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(StatusError, match=reason) as caught:
        load("broken", 1, tmp_path)
    assert caught.value.code is code


def test_missing_weights_say_why(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes((MODELS / "logit" / "1" / "saved_model.pb").read_bytes())
    with pytest.raises(StatusError, match="variables"):
        load("logit", 1, tmp_path)


def _saved(path: Path, function: Any) -> Servable:
    concrete = tf.function(function).get_concrete_function(tf.TensorSpec([None], tf.float32, "x"))
    tf.saved_model.save(tf.Module(), str(path), signatures={"serving_default": concrete})
    return load("saved", 1, path)


def _halved_until_small(x: Any) -> dict[str, Any]:
    return {"y": tf.while_loop(lambda z: tf.reduce_max(z) > 1.0, lambda z: (z / 2,), (x,))[0]}


def _chosen(x: Any) -> dict[str, Any]:
    return {"y": tf.cond(tf.reduce_max(x) > 1.0, lambda: x / 2, lambda: x)}


def _looked_up(x: Any) -> dict[str, Any]:
    words = tf.strings.as_string(tf.cast(x, tf.int32))
    return {"y": tf.strings.length(tf.strings.join([words, words]))}


@pytest.mark.parametrize(
    ("function", "straight", "expected"),
    [
        (_halved_until_small, False, [0.25, 1]),
        (_chosen, True, [1, 4]),
        (_looked_up, True, [2, 2]),
        (lambda x: {"y": 2 * x}, True, [4, 16]),
    ],
    ids=["loop", "branch", "texts", "product"],
)
def test_only_a_run_that_its_input_bounds_is_run_by_its_caller(
    tmp_path: Path, function: Any, straight: bool, expected: list[float]
) -> None:
    servable = _saved(tmp_path, function)
    signature = servable.signatures["serving_default"]
    feeds = {signature.inputs["x"].name: np.array([2, 8], np.float32)}

    for deadline in (None, time.monotonic() + 30):
        (answer,) = servable.run(feeds, [signature.outputs["y"].name], deadline)
        assert answer.tolist() == expected

    assert servable.straight is straight
    servable.close()


def test_a_loop_ends_at_its_deadline(tmp_path: Path) -> None:
    servable = _saved(tmp_path, _halved_until_small)
    signature = servable.signatures["serving_default"]
    feeds = {signature.inputs["x"].name: np.array([np.inf], np.float32)}  # never small

    with pytest.raises(StatusError) as caught:
        servable.run(feeds, [signature.outputs["y"].name], time.monotonic() + 0.2)

    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    servable.close()


def test_callers_run_side_by_side() -> None:
    servable = load("steps", 2, MODELS / "steps" / "2")
    signature = servable.signatures["serving_default"]
    name, fetches = signature.inputs["x"].name, [signature.outputs["y"].name]

    def call(rows: int) -> int:
        (answer,) = servable.run({name: np.zeros(rows, np.float32)}, fetches, time.monotonic() + 30)
        return len(answer)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(1, 200))) == list(range(1, 200))
    servable.close()
