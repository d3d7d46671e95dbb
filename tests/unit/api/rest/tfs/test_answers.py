"""Errors, pages, status and metadata come in TensorFlow Serving's layout."""

import json
from typing import Any

import pytest

from headwise.api.rest.tfs import answers
from headwise.errors import BackendProtocolError
from headwise.tfserving import model_service_pb2, prediction_service_pb2, saved_model_pb2, tensor_pb2
from support.recordings import groups

_BODIES = {case["name"]: case.get("response_body", "") for case in groups("rest")["default"].cases}


def test_an_error_is_laid_out_as_recorded() -> None:
    answer = answers.error(404, "Servable not found for request: Latest(nope)")
    assert (answer.status, answer.media_type) == (404, "application/json")
    assert answer.body.decode() == _BODIES["rest-layout/none/error"]


@pytest.mark.parametrize(
    ("status", "name"), [(404, "rest-paths/none/get-root"), (400, "rest-paths/logit/percent-broken")]
)
def test_a_page_is_laid_out_as_recorded(status: int, name: str) -> None:
    answer = answers.page(status)
    assert (answer.status, answer.media_type) == (status, "text/html")
    assert answer.body.decode() == _BODIES[name]


def test_a_status_is_laid_out_as_recorded() -> None:
    status = model_service_pb2.GetModelStatusResponse()
    status.model_version_status.add(version=1, state="AVAILABLE").status.SetInParent()
    assert answers.versions(status).body.decode() == _BODIES["rest-layout/logit/status"]


def test_a_status_names_codes_and_quotes_unknown_ones() -> None:
    status = model_service_pb2.GetModelStatusResponse()
    for code in (15, 99):
        status.model_version_status.add(version=2, state="END").status.error_code = code
    body = answers.versions(status).body
    assert b'"error_code": "DATA_LOSS"' in body
    assert b'"error_code": "99"' in body


def test_a_state_that_is_not_known_is_told_by_its_number() -> None:
    status = model_service_pb2.GetModelStatusResponse()
    status.model_version_status.add(version=2).state = 255
    assert json.loads(answers.versions(status).body)["model_version_status"][0]["state"] == 255


def _metadata(packed: bytes) -> prediction_service_pb2.GetModelMetadataResponse:
    response = prediction_service_pb2.GetModelMetadataResponse()
    response.model_spec.name = "steps"
    response.model_spec.version.value = 2
    response.metadata["signature_def"].value = packed
    return response


def test_metadata_is_laid_out_as_recorded() -> None:
    def info(name: str, **rest: Any) -> saved_model_pb2.TensorInfo:
        return saved_model_pb2.TensorInfo(name=name, **rest)

    vector = tensor_pb2.TensorShapeProto(dim=[tensor_pb2.TensorShapeProto.Dim(size=-1)])
    unknown = tensor_pb2.TensorShapeProto(unknown_rank=True)
    signatures = {
        "serving_default": saved_model_pb2.SignatureDef(
            inputs={"x": info("serving_default_x:0", dtype="DT_FLOAT", tensor_shape=vector)},
            outputs={"y": info("PartitionedCall:0", dtype="DT_FLOAT", tensor_shape=vector)},
            method_name="tensorflow/serving/predict",
        ),
        "__saved_model_init_op": saved_model_pb2.SignatureDef(
            outputs={"__saved_model_init_op": info("NoOp", tensor_shape=unknown)}
        ),
    }
    packed = prediction_service_pb2.SignatureDefMap(signature_def=signatures).SerializeToString()
    body = answers.metadata(_metadata(packed)).body.decode()
    recorded = _BODIES["rest-versions/steps/metadata-version"]
    assert json.loads(body) == json.loads(recorded)
    # Fields come in another order, and nothing else differs.
    assert sorted(body.replace(",", "")) == sorted(recorded.replace(",", ""))


def test_metadata_that_cannot_be_read_is_the_backends_fault() -> None:
    with pytest.raises(BackendProtocolError, match="signatures cannot be read"):
        answers.metadata(_metadata(b"\xff"))
