"""One loaded SavedModel."""

import time
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from headwise.modelserver.servable import load
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


def test_a_deadline_that_is_over_ends_the_run() -> None:
    servable = load("image", 1, MODELS / "image" / "1")
    signature = servable.signatures["serving_default"]
    feeds = {signature.inputs["image"].name: np.zeros((60_000, 8, 8, 1), np.float32)}
    with pytest.raises(StatusError) as caught:
        servable.run(feeds, [signature.outputs["output_0"].name], time.monotonic() - 1)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
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
