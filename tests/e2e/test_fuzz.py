"""Malformed bodies of every protocol, before a real model server: an error of the caller's, in the protocol's own form.

At least 500 examples an operation: valid requests in which something is wrong, and damaged bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwise.savedmodel.tensors import to_proto
from headwise.tfserving import inference_pb2, model_service_pb2, prediction_service_pb2
from headwise.v1 import classification_service_pb2 as v1
from headwise.v2 import open_inference_pb2 as v2
from strategies.mutations import damaged, mutated
from support.gateway_process import GatewayProcess

ROW = [1.0, 2.0, 3.0, 4.0]
EXAMPLES = settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def gateway(recorded_gateway: GatewayProcess) -> GatewayProcess:
    """Models with cards behind the embedded model server."""
    return recorded_gateway


@pytest.fixture(scope="module")
def channel(gateway: GatewayProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(gateway.grpc) as opened:
        yield opened


def test_the_models_that_are_fuzzed_answer(gateway: GatewayProcess) -> None:
    """Nothing below would be tested if every request failed."""
    for send, body, _ in JSON_OPERATIONS.values():
        assert send(gateway.http, json.dumps(body).encode()).status_code == 200


def post(path: str, **headers: str) -> Callable[[httpx.Client, bytes], httpx.Response]:
    return lambda http, body: http.post(path, content=body, headers=headers)


def problem(response: httpx.Response) -> bool:
    body = response.json()
    return response.headers["content-type"] == "application/problem+json" and body["status"] == response.status_code


def told(response: httpx.Response) -> bool:
    body = response.json()
    return list(body) == ["error"] and isinstance(body["error"], str)


V2_BODY = {
    "id": "1",
    "parameters": {"threshold": 0.5},
    "inputs": [{"name": "features", "shape": [1, 4], "datatype": "FP32", "data": ROW}],
    "outputs": [{"name": "labels", "parameters": {}}, {"name": "probabilities", "parameters": {"classification": 2}}],
}
JSON_OPERATIONS: dict[str, tuple[Callable[[httpx.Client, bytes], httpx.Response], Any, Any]] = {
    "headwise classify": (
        post("/v1/models/logit:classify"),
        {"instances": [ROW, ROW], "options": {"threshold": 0.3, "top_k": 1, "include": ["raw"]}},
        lambda response: problem(response) or told(response),
    ),
    "TFS predict": (post("/v1/models/pair:predict"), {"instances": [{"x": [1.0, 2.0, 3.0], "n": [1]}]}, told),
    "TFS classify": (post("/v1/models/logit:classify"), {"examples": [{"features": ROW}], "context": {"a": 1}}, told),
    "TFS regress": (post("/v1/models/logit:regress"), {"examples": [{"features": ROW}], "signature_name": ""}, told),
    "V2 infer": (post("/v2/models/logit/infer"), V2_BODY, told),
    "V2 index": (post("/v2/repository/index"), {"ready": True}, told),
}


def check(gateway: GatewayProcess, response: httpx.Response, formed: Callable[[httpx.Response], bool]) -> None:
    if response.status_code == 200:
        response.json()
        return
    assert 400 <= response.status_code < 600
    assert response.status_code != 500, response.text
    assert formed(response), response.text
    assert "Traceback" not in response.text


@pytest.mark.parametrize("operation", JSON_OPERATIONS)
@given(data=st.data())
@EXAMPLES
def test_json_with_something_wrong(gateway: GatewayProcess, operation: str, data: st.DataObject) -> None:
    send, valid, formed = JSON_OPERATIONS[operation]
    body = data.draw(mutated(valid))
    try:
        text = json.dumps(body).encode("utf-8", "surrogatepass")
    except ValueError:
        return
    check(gateway, send(gateway.http, text), formed)


@pytest.mark.parametrize("operation", JSON_OPERATIONS)
@given(data=st.data())
@EXAMPLES
def test_json_that_is_damaged(gateway: GatewayProcess, operation: str, data: st.DataObject) -> None:
    send, valid, formed = JSON_OPERATIONS[operation]
    check(gateway, send(gateway.http, data.draw(damaged(json.dumps(valid).encode()))), formed)


def npz(**named: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **named)
    return file.getvalue()


def binary_v2() -> bytes:
    tensor = {"name": "features", "shape": [1, 4], "datatype": "FP32", "parameters": {"binary_data_size": 16}}
    return json.dumps({"inputs": [tensor]}).encode()


NUMBERS = np.array([ROW], np.float32)
BINARY_OPERATIONS: dict[str, tuple[Callable[[httpx.Client, bytes], httpx.Response], bytes, Any]] = {
    "npz": (post("/v1/models/logit:classify", **{"content-type": "application/x-npz"}), npz(features=NUMBERS), problem),
    "raw": (
        post(
            "/v1/models/logit:classify",
            **{"content-type": "application/octet-stream", "headwise-dtype": "float32", "headwise-shape": "1,4"},
        ),
        NUMBERS.tobytes(),
        problem,
    ),
    "V2 binary": (
        post("/v2/models/logit/infer", **{"inference-header-content-length": str(len(binary_v2()))}),
        binary_v2() + NUMBERS.tobytes(),
        told,
    ),
}


@pytest.mark.parametrize("operation", BINARY_OPERATIONS)
@given(data=st.data())
@EXAMPLES
def test_binary_bodies_that_are_damaged(gateway: GatewayProcess, operation: str, data: st.DataObject) -> None:
    send, valid, formed = BINARY_OPERATIONS[operation]
    assert send(gateway.http, valid).status_code == 200
    check(gateway, send(gateway.http, data.draw(damaged(valid))), formed)


@given(data=st.data())
@EXAMPLES
def test_lines_that_are_damaged(gateway: GatewayProcess, data: st.DataObject) -> None:
    body = data.draw(damaged(b"\n".join([json.dumps(ROW).encode()] * 3)))
    response = gateway.http.post(
        "/v1/models/logit:classify", content=body, headers={"content-type": "application/x-ndjson"}
    )
    assert response.status_code == 200
    for line in response.text.splitlines():
        answer = json.loads(line)
        assert "prediction" in answer or answer["error"]["status"] in (400, 413)


def _inputs() -> inference_pb2.Input:
    sent = inference_pb2.Input()
    sent.example_list.examples.add().features.feature["features"].float_list.value.extend(ROW)
    return sent


def _spec(name: str = "logit") -> prediction_service_pb2.ModelSpec:
    return prediction_service_pb2.ModelSpec(name=name)


def _v1() -> v1.ClassifyRequest:
    tensor = v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=[1, 4], content=NUMBERS.tobytes())
    options = v1.ClassifyOptions(threshold=v1.Threshold(value=0.5), include=["INCLUDE_PROBABILITIES", "INCLUDE_RAW"])
    return v1.ClassifyRequest(model=v1.ModelSpec(name="logit"), inputs={"features": tensor}, options=options)


def _v2() -> v2.ModelInferRequest:
    request = v2.ModelInferRequest(model_name="logit", id="1")
    request.inputs.add(name="features", datatype="FP32", shape=[1, 4]).contents.fp32_contents.extend(ROW)
    request.outputs.add(name="labels").parameters["classification"].int64_param = 0
    return request


def _multi() -> inference_pb2.MultiInferenceRequest:
    request = inference_pb2.MultiInferenceRequest(input=_inputs())
    request.tasks.add(model_spec=_spec(), method_name="tensorflow/serving/classify")
    return request


GRPC_OPERATIONS: dict[str, Any] = {
    "headwise.v1.ClassificationService/Classify": _v1(),
    "headwise.v1.ClassificationService/GetHead": v1.GetHeadRequest(model=v1.ModelSpec(name="logit", version=1)),
    "tensorflow.serving.PredictionService/Predict": prediction_service_pb2.PredictRequest(
        model_spec=_spec("softmax4"), inputs={"features": to_proto(NUMBERS)}
    ),
    "tensorflow.serving.PredictionService/Classify": inference_pb2.ClassificationRequest(
        model_spec=_spec(), input=_inputs()
    ),
    "tensorflow.serving.PredictionService/Regress": inference_pb2.RegressionRequest(
        model_spec=_spec(), input=_inputs()
    ),
    "tensorflow.serving.PredictionService/MultiInference": _multi(),
    "tensorflow.serving.PredictionService/GetModelMetadata": prediction_service_pb2.GetModelMetadataRequest(
        model_spec=_spec(), metadata_field=["signature_def"]
    ),
    "tensorflow.serving.ModelService/GetModelStatus": model_service_pb2.GetModelStatusRequest(model_spec=_spec()),
    "inference.GRPCInferenceService/ModelInfer": _v2(),
    "inference.GRPCInferenceService/ModelMetadata": v2.ModelMetadataRequest(name="logit", version="1"),
    "inference.GRPCInferenceService/ModelReady": v2.ModelReadyRequest(name="logit", version="1"),
    "inference.GRPCInferenceService/RepositoryIndex": v2.RepositoryIndexRequest(ready=True),
}


@pytest.mark.parametrize("method", GRPC_OPERATIONS)
@given(data=st.data())
@EXAMPLES
def test_messages_that_are_damaged(channel: grpc.Channel, method: str, data: st.DataObject) -> None:
    valid = GRPC_OPERATIONS[method].SerializeToString()
    call = channel.unary_unary(f"/{method}")
    call(valid, timeout=20)
    status, code = _refusal(lambda: call(data.draw(damaged(valid)), timeout=20))
    assert status != "UNKNOWN"
    assert code != "internal"


def _refusal(call: Callable[[], object]) -> tuple[str, str]:
    """The status and our own code of a call that fails; OK where it does not."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code().name, dict(error.trailing_metadata() or ()).get("headwise-error-code", "internal")
    return "OK", ""


@given(data=st.data())
@EXAMPLES
def test_streams_that_are_damaged(channel: grpc.Channel, data: st.DataObject) -> None:
    valid = v1.ClassifyStreamRequest(id="1", request=_v1()).SerializeToString()
    call = channel.stream_stream("/headwise.v1.ClassificationService/ClassifyStream")
    answers: list[bytes] = []
    status, code = _refusal(lambda: answers.extend(call(iter([valid, data.draw(damaged(valid))]), timeout=20)))
    assert (status, code) in (("OK", ""), ("INVALID_ARGUMENT", "invalid-request"))
    first, *more = map(v1.ClassifyStreamResponse.FromString, answers)
    assert first.HasField("response")
    assert all(answer.error.code != "internal" for answer in more)


def test_the_gateway_and_its_model_server_still_live(gateway: GatewayProcess) -> None:
    assert gateway.classify("logit", {"instances": [ROW]}).status_code == 200
    assert "internal error" not in gateway.log
    assert "Traceback" not in gateway.log
    assert "restart" not in gateway.log
