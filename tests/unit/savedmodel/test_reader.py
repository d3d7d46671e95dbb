"""SavedModels are read without TensorFlow, or refused with the file and the reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headwise import savedmodel
from headwise.errors import UnreadableModelError
from headwise.savedmodel import Signature, TensorSpec
from headwise.tfserving import saved_model_pb2, tensor_pb2
from support.recordings import MODELS

FEATURES = {"features": TensorSpec("float32", (None, 4))}


@pytest.mark.parametrize(
    ("model", "outputs"),
    [
        ("logit", {"output_0": TensorSpec("float32", (None, 1))}),
        ("softmax4", {"output_0": TensorSpec("float32", (None, 4))}),
        ("multilabel", {"output_0": TensorSpec("float32", (None, 3))}),
    ],
)
def test_a_keras_export_is_read(model: str, outputs: dict[str, TensorSpec]) -> None:
    read = savedmodel.read(MODELS / model / "1")

    assert read.signatures["serving_default"].inputs == FEATURES
    assert read.signatures["serving_default"].outputs == outputs
    assert read.signatures["serving_default"].method_name == "tensorflow/serving/predict"
    assert read.tensorflow_version == "2.21.0"
    assert "__saved_model_init_op" not in read.signatures


def test_several_inputs_and_outputs_are_read() -> None:
    signature = savedmodel.read(MODELS / "pair" / "1").signatures["serving_default"]

    assert signature.inputs == {"n": TensorSpec("int32", (None, 1)), "x": TensorSpec("float32", (None, 3))}
    assert {name: spec.units for name, spec in signature.outputs.items()} == {"hidden": 2, "prob": 1}


def test_networks_with_weights_of_their_own_have_fingerprints_of_their_own() -> None:
    prints = [savedmodel.read(MODELS / name / "1").fingerprint for name in ("logit", "sigmoid", "bad_softmax1")]

    assert len(set(prints)) == 3
    assert all(prints)


@pytest.mark.parametrize("content", [None, b"\xff\xff"])
def test_a_model_without_readable_fingerprint_has_none(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "saved_model.pb").write_bytes((MODELS / "logit" / "1" / "saved_model.pb").read_bytes())
    if content is not None:
        (tmp_path / "fingerprint.pb").write_bytes(content)

    assert savedmodel.read(tmp_path).fingerprint is None


def test_a_folder_without_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModelError, match=r"saved_model\.pb: not found; a SavedModel folder holds it"):
        savedmodel.read(tmp_path)


def test_a_model_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").mkdir()

    with pytest.raises(UnreadableModelError, match=r"saved_model\.pb: Is a directory"):
        savedmodel.read(tmp_path)


@pytest.mark.parametrize("size", [0.1, 0.5, 0.999])
def test_a_truncated_model_is_refused(tmp_path: Path, size: float) -> None:
    data = (MODELS / "logit" / "1" / "saved_model.pb").read_bytes()
    (tmp_path / "saved_model.pb").write_bytes(data[: int(len(data) * size)])

    with pytest.raises(UnreadableModelError, match=r"saved_model\.pb: not a SavedModel"):
        savedmodel.read(tmp_path)


def test_a_model_of_garbage_is_refused() -> None:
    with pytest.raises(UnreadableModelError, match=r"broken.1.saved_model\.pb: "):
        savedmodel.read(MODELS / "broken" / "1")


def test_a_model_without_graph_for_serving_is_refused(tmp_path: Path) -> None:
    proto = saved_model_pb2.SavedModel()
    proto.meta_graphs.add().meta_info_def.tags.append("train")

    for data in (b"", proto.SerializeToString()):
        (tmp_path / "saved_model.pb").write_bytes(data)
        with pytest.raises(UnreadableModelError, match="no graph is tagged 'serve'; export the model for serving"):
            savedmodel.read(tmp_path)


def test_the_graph_that_is_tagged_for_serving_is_the_one_read(tmp_path: Path) -> None:
    proto = saved_model_pb2.SavedModel()
    for *tags, signature in (("train", "fit"), ("serve", "tpu", "fast"), ("serve", "answer")):
        graph = proto.meta_graphs.add()
        graph.meta_info_def.tags.extend(tags)
        graph.signature_def[signature].method_name = "m"
    (tmp_path / "saved_model.pb").write_bytes(proto.SerializeToString())

    assert savedmodel.read(tmp_path).signatures == {"answer": Signature({}, {}, method_name="m")}


def test_reading_needs_no_tensorflow() -> None:
    program = "import sys, headwise.savedmodel, headwise.repository.cards; sys.exit('tensorflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize(
    ("spec", "units", "text"),
    [
        (TensorSpec("float32", (None, 3)), 3, "float32 (?, 3)"),
        (TensorSpec("float32", (None,)), 1, "float32 (?,)"),
        (TensorSpec("int64", (2, None)), None, "int64 (2, ?)"),
        (TensorSpec("string", ()), None, "string ()"),
        (TensorSpec("float16", None), None, "float16 of any shape"),
    ],
)
def test_a_spec_says_its_units_and_reads_well(spec: TensorSpec, units: int | None, text: str) -> None:
    assert spec.units == units
    assert str(spec) == text


def test_unknown_ranks_sizes_and_dtypes_are_told_apart() -> None:
    proto = saved_model_pb2.SignatureDef()
    proto.inputs["any"].tensor_shape.unknown_rank = True
    proto.inputs["any"].dtype = tensor_pb2.DT_HALF
    proto.inputs["open"].tensor_shape.dim.add(size=-1)
    proto.inputs["open"].dtype = 21
    proto.inputs["one"].dtype = tensor_pb2.DT_DOUBLE
    proto.defaults["one"].dtype = tensor_pb2.DT_DOUBLE

    assert Signature.from_proto(proto) == Signature(
        {"any": TensorSpec("float16", None), "one": TensorSpec("float64", ()), "open": TensorSpec("dtype 21", (None,))},
        {},
        frozenset({"one"}),
    )


def test_a_signature_tells_its_fixed_batches_and_its_outputs_dtypes() -> None:
    inputs = {"a": TensorSpec("float32", (4, 2)), "b": TensorSpec("float32", (None, 3)), "c": TensorSpec("float32", ())}
    signature = Signature(inputs, {"y": TensorSpec("bfloat16", (4, 1))})

    assert signature.fixed_batches == (4,)
    assert signature.output_dtypes == {"y": "bfloat16"}
