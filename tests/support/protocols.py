"""One case through every protocol: what each answers, in one form, or how it refuses."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
import numpy as np
import orjson
from numpy.typing import NDArray
from tensorflow_serving.apis import classification_pb2, prediction_service_pb2_grpc

from headwise.v2 import open_inference_pb2 as v2
from support.surfaces import Case, Surfaces

Status = int | str


@dataclass(frozen=True)
class Told:
    """labels: one a row; of a multilabel head, those that are on. None where the protocol tells none.

    probabilities: (batch, classes), single: whether they travel as float32.
    """

    model_version: int | None
    classes: list[str] | None
    labels: list[Any] | None
    probabilities: NDArray[Any]
    single: bool = False


class RefusedError(Exception):
    """The HTTP status, or the name of the gRPC status, and the text."""

    def __init__(self, status: Status, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


async def headwise_http(surfaces: Surfaces, case: Case) -> Told:
    response = await surfaces.over_http(case)
    body = _body(response)
    rows = body["predictions"]
    (head,) = body["heads"].values()
    labels = [row["labels"] if "labels" in row else row["label"] for row in rows]
    return Told(body["model"]["version"], head["labels"], labels, np.array([row["probabilities"] for row in rows]))


async def headwise_grpc(surfaces: Surfaces, case: Case) -> Told:
    answer = await _called(surfaces.over_grpc(case))
    (head,) = answer.heads.values()
    classes = list(head.classes)
    labels: list[Any] = list(head.labels)
    if head.task == "multilabel":
        labels = _on(np.reshape(head.decisions, (-1, len(classes))), classes)
    probabilities = np.reshape(head.probabilities, (-1, len(classes)))
    return Told(answer.model_version, classes, labels, probabilities)


async def tfs_http(surfaces: Surfaces, case: Case) -> Told:
    rows = [{case.input_name: [float(value) for value in row]} for row in case.rows]
    body = {"examples": rows, "signature_name": case.signature_name}
    response = await surfaces.http.post(f"/v1/models/{case.model}{_place(case)}:classify", content=json.dumps(body))
    results = _body(response)["results"]
    classes = [label for label, _ in results[0]]
    assert all([label for label, _ in row] == classes for row in results)
    scores = np.array([[score for _, score in row] for row in results])
    return Told(None, classes, None, scores)


async def tfs_grpc(surfaces: Surfaces, case: Case) -> Told:
    request = classification_pb2.ClassificationRequest()
    _name(request.model_spec, case)
    for row in case.rows:
        example = request.input.example_list.examples.add()
        example.features.feature[case.input_name].float_list.value.extend(row)
    stub = prediction_service_pb2_grpc.PredictionServiceStub(surfaces.channel)
    answer = await _called(stub.Classify(request, timeout=20))
    rows = [row.classes for row in answer.result.classifications]
    scores = np.array([[one.score for one in row] for row in rows])
    assert answer.model_spec.signature_name == (case.signature_name or "serving_default")
    return Told(answer.model_spec.version.value, [one.label for one in rows[0]], None, scores, single=True)


async def v2_http(surfaces: Surfaces, case: Case) -> Told:
    rows = np.array(case.rows, np.float32)
    tensor = {"name": case.input_name, "shape": rows.shape, "datatype": "FP32", "data": rows.ravel().tolist()}
    body = {"inputs": [tensor], "parameters": _parameters(case)}
    response = await surfaces.http.post(f"/v2/models/{case.model}{_place(case)}/infer", content=json.dumps(body))
    answer = _body(response)
    outputs = {one["name"]: _reshaped(one) for one in answer["outputs"]}
    return _of_tensors(int(answer["model_version"]), outputs)


async def v2_http_binary(surfaces: Surfaces, case: Case) -> Told:
    rows = np.array(case.rows, "<f4")
    described = {
        "name": case.input_name,
        "shape": rows.shape,
        "datatype": "FP32",
        "parameters": {"binary_data_size": rows.nbytes},
    }
    parameters = {**_parameters(case), "binary_data_output": True}
    head = orjson.dumps({"inputs": [described], "parameters": parameters})
    response = await surfaces.http.post(
        f"/v2/models/{case.model}{_place(case)}/infer",
        content=head + rows.tobytes(),
        headers={"Inference-Header-Content-Length": str(len(head))},
    )
    if response.status_code != 200:
        raise RefusedError(response.status_code, response.json()["error"])
    size = int(response.headers["Inference-Header-Content-Length"])
    answer, rest = orjson.loads(response.content[:size]), response.content[size:]
    outputs = {}
    for one in answer["outputs"]:
        length = one["parameters"]["binary_data_size"]
        outputs[one["name"]], rest = _raw(one["datatype"], one["shape"], rest[:length]), rest[length:]
    assert rest == b""
    return _of_tensors(int(answer["model_version"]), outputs)


async def v2_grpc(surfaces: Surfaces, case: Case) -> Told:
    return await _v2_grpc(surfaces, case, raw=False)


async def v2_grpc_raw(surfaces: Surfaces, case: Case) -> Told:
    return await _v2_grpc(surfaces, case, raw=True)


async def _v2_grpc(surfaces: Surfaces, case: Case, *, raw: bool) -> Told:
    rows = np.array(case.rows, "<f4")
    request = v2.ModelInferRequest(model_name=case.model, model_version=str(case.version or ""))
    tensor = request.inputs.add(name=case.input_name, datatype="FP32", shape=rows.shape)
    if raw:
        request.raw_input_contents.append(rows.tobytes())
    else:
        tensor.contents.fp32_contents.extend(rows.ravel().tolist())
    for name, value in _parameters(case).items():
        field = {str: "string_param", float: "double_param", int: "int64_param"}[type(value)]
        setattr(request.parameters[name], field, value)
    call = surfaces.channel.unary_unary(
        "/inference.GRPCInferenceService/ModelInfer",
        request_serializer=v2.ModelInferRequest.SerializeToString,
        response_deserializer=v2.ModelInferResponse.FromString,
    )
    answer = await _called(call(request, timeout=20))
    outputs = {}
    for number, one in enumerate(answer.outputs):
        if raw:
            outputs[one.name] = _raw(one.datatype, one.shape, answer.raw_output_contents[number])
        else:
            ((_, values),) = one.contents.ListFields()
            data = [value.decode() if isinstance(value, bytes) else value for value in values]
            outputs[one.name] = np.array(data).reshape(one.shape)
    return _of_tensors(int(answer.model_version), outputs)


PROTOCOLS: Mapping[str, Callable[[Surfaces, Case], Awaitable[Told]]] = {
    "headwise HTTP": headwise_http,
    "headwise gRPC": headwise_grpc,
    "TFS HTTP": tfs_http,
    "TFS gRPC": tfs_grpc,
    "V2 HTTP": v2_http,
    "V2 HTTP, binary": v2_http_binary,
    "V2 gRPC": v2_grpc,
    "V2 gRPC, raw": v2_grpc_raw,
}


def _of_tensors(version: int, outputs: Mapping[str, NDArray[Any]]) -> Told:
    labels = outputs["labels"]
    told = labels.tolist() if labels.ndim == 1 else [[one for one in row if one] for row in labels.tolist()]
    return Told(version, None, told, outputs["probabilities"])


def _parameters(case: Case) -> dict[str, Any]:
    options = {**case.options, **({"signature_name": case.signature_name} if case.signature_name else {})}
    return {name: json.dumps(value) if isinstance(value, dict) else value for name, value in options.items()}


def _place(case: Case) -> str:
    return f"/versions/{case.version}" if case.version is not None else ""


def _name(spec: Any, case: Case) -> None:
    spec.name, spec.signature_name = case.model, case.signature_name
    if case.version is not None:
        spec.version.value = case.version


def _body(response: httpx.Response) -> Any:
    body = response.json()
    if response.status_code != 200:
        raise RefusedError(response.status_code, body.get("error") or body["detail"])
    return body


async def _called(call: Any) -> Any:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise RefusedError(error.code().name, error.details() or "") from error


def _on(decisions: NDArray[Any], classes: list[str]) -> list[list[str]]:
    return [[classes[index] for index in np.flatnonzero(row)] for row in decisions]


def _reshaped(output: Mapping[str, Any]) -> NDArray[Any]:
    return np.array(output["data"]).reshape(output["shape"])


def _raw(datatype: str, shape: Any, data: bytes) -> NDArray[Any]:
    if datatype == "BYTES":
        texts = []
        while data:
            size = int.from_bytes(data[:4], "little")
            texts.append(data[4 : 4 + size].decode())
            data = data[4 + size :]
        return np.array(texts).reshape(shape)
    return np.frombuffer(data, {"FP64": "<f8", "INT64": "<i8", "BOOL": "?"}[datatype]).reshape(shape)
