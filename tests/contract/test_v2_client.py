"""V2 as a client of the field meets it: tritonclient, in an environment of its own, over HTTP and gRPC."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from headwise.v2 import open_inference_pb2 as v2
from support.in_memory_gateway import BINARY, Models
from support.served import served

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
LOGITS = np.array([0.8656, -1.1738, 0.0], np.float32).astype(np.float64)
POSITIVE = 1 / (1 + np.exp(-LOGITS))
HTTP_AND_GRPC = pytest.mark.parametrize("protocol", ["http", "grpc"])


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the client got."""
    assert PYTHON.exists(), "the client's environment is missing: make .venv-clients/.complete (make test does it)"
    models = Models(tmp_path_factory.mktemp("models"))
    models.add("tumor", {"output_0": BINARY})
    models.add("refused", {"output_0": {**BINARY, "activation": "softmax"}})
    with served(models) as at:
        script = ROOT / "tests" / "support" / "triton_client.py"
        command = [str(PYTHON), str(script), at.http.removeprefix("http://"), at.grpc.removeprefix("grpc://")]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@HTTP_AND_GRPC
def test_health_is_understood(told: dict[str, Any], protocol: str) -> None:
    found = told[protocol]
    states = [found[name] for name in ("live", "ready", "model_ready", "version_ready", "no_version")]
    assert states == [True, True, True, True, False]
    assert found["server"]["name"] == "headwise"
    assert {"binary_tensor_data", "classification"} <= set(found["server"]["extensions"])


@HTTP_AND_GRPC
def test_metadata_names_heads_and_raw_outputs(told: dict[str, Any], protocol: str) -> None:
    found = told[protocol]["metadata"]
    assert found["versions"] == ["1"]
    assert [(one["name"], one["datatype"], [int(size) for size in one["shape"]]) for one in found["inputs"]] == [
        ("x", "FP32", [-1, 1])
    ]
    assert found["outputs"] == {
        "probabilities": ["FP64", [-1, 2]],
        "indices": ["INT64", [-1]],
        "labels": ["BYTES", [-1]],
        "output_0": ["FP32", [-1, 1]],
    }


@HTTP_AND_GRPC
def test_the_repository_is_listed(told: dict[str, Any], protocol: str) -> None:
    states = {one["name"]: one["state"] for one in told[protocol]["index"]}
    assert states == {"tumor": "READY", "refused": "UNAVAILABLE"}


@pytest.mark.parametrize("how", ["http, JSON", "http, binary", "http, gzip", "grpc"])
def test_answers_are_calibrated_and_labelled(told: dict[str, Any], how: str) -> None:
    found = told["infer"][how]
    outputs = found["outputs"]
    np.testing.assert_allclose(np.array(outputs["probabilities"])[:, 1], POSITIVE, rtol=1e-15)
    assert outputs["indices"] == [1, 0, 1]
    assert outputs["labels"] == ["malignant", "benign", "malignant"]
    assert (found["id"], found["model_version"]) == ("mine", "1")
    ranked = [[text.split(":") for text in row] for row in outputs["output_0"]]
    assert [[(index, label) for _, index, label in row] for row in ranked] == [
        [("1", "malignant"), ("0", "benign")],
        [("0", "benign"), ("1", "malignant")],
        [("0", "benign"), ("1", "malignant")],
    ]
    best = [float(row[0][0]) for row in ranked]
    np.testing.assert_allclose(best, np.maximum(POSITIVE, 1 - POSITIVE), rtol=1e-15)


@HTTP_AND_GRPC
def test_parameters_carry_the_options(told: dict[str, Any], protocol: str) -> None:
    assert told["defaults"][protocol]["labels"] == ["malignant", "malignant", "malignant"]


@HTTP_AND_GRPC
def test_errors_are_understood(told: dict[str, Any], protocol: str) -> None:
    found = told["refused"][protocol]
    status = {"http": ("404", "400"), "grpc": ("StatusCode.NOT_FOUND", "StatusCode.INVALID_ARGUMENT")}[protocol]
    assert found["model"].startswith(f"{status[0]}: there is no model 'nobody'")
    assert found["datatype"].startswith(f"{status[1]}: input 'x' is float64: the model takes float32")
    assert found["output"].startswith(f"{status[1]}: ")
    assert "'output_0'" in found["output"]


def test_every_field_that_we_declare_is_the_official_one(told: dict[str, Any]) -> None:
    official = FileDescriptorProto.FromString(base64.b64decode(told["descriptor"]))
    ours = FileDescriptorProto()
    v2.DESCRIPTOR.CopyToProto(ours)
    theirs = {message.name: message for message in official.message_type}
    for message in ours.message_type:
        assert_subset(message, theirs[message.name])
    (service,), (other,) = ours.service, (one for one in official.service if one.name == "GRPCInferenceService")
    methods = {method.name: method for method in other.method}
    for method in service.method:
        assert method.input_type.rpartition(".")[2] == methods[method.name].input_type.rpartition(".")[2]
        assert method.output_type.rpartition(".")[2] == methods[method.name].output_type.rpartition(".")[2]


def assert_subset(ours: Any, official: Any) -> None:
    fields = {field.number: field for field in official.field}
    for field in ours.field:
        assert described(field) == described(fields[field.number]), f"{ours.name}.{field.name}"
    nested = {message.name: message for message in official.nested_type}
    for message in ours.nested_type:
        assert_subset(message, nested[message.name])


def described(field: FieldDescriptorProto) -> tuple[Any, ...]:
    of = field.type_name.removeprefix(".headwise.v2").removeprefix(".inference")
    return field.name, field.number, field.type, field.label, of, field.json_name or _json_name(field.name)


def _json_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
