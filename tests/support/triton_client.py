"""Run by .venv-clients: what tritonclient, which nobody here wrote, gets from a gateway; JSON on standard output.

triton_client.py HTTP_ADDRESS GRPC_ADDRESS
"""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

ROWS = np.array([[0.8656], [-1.1738], [0.0]], np.float32)


def plain(array: Any) -> Any:
    if array is None:
        return None
    listed = array.tolist()
    return json.loads(json.dumps(listed, default=lambda text: text.decode()))


def asked(module: Any, client: Any, *, binary: bool, **options: Any) -> dict[str, Any]:
    """probabilities, indices and labels of `tumor`, and the classification of its raw output."""
    tensor = module.InferInput("x", list(ROWS.shape), "FP32")
    how = {"binary_data": binary} if module is over_http else {}
    tensor.set_data_from_numpy(ROWS, **how)
    outputs = [module.InferRequestedOutput(name, **how) for name in ("probabilities", "indices", "labels")]
    outputs.append(module.InferRequestedOutput("output_0", class_count=2, **how))
    result = client.infer("tumor", [tensor], outputs=outputs, request_id="mine", **options)
    names = ("probabilities", "indices", "labels", "output_0")
    response = result.get_response()
    told = response if isinstance(response, dict) else {"id": response.id, "model_version": response.model_version}
    return {
        "outputs": {name: plain(result.as_numpy(name)) for name in names},
        "id": told["id"],
        "model_version": told["model_version"],
    }


def defaults(module: Any, client: Any) -> dict[str, Any]:
    """Without outputs: all that the head answers."""
    tensor = module.InferInput("x", list(ROWS.shape), "FP32")
    tensor.set_data_from_numpy(ROWS)
    result = client.infer("tumor", [tensor], parameters={"threshold": 0.2})
    return {name: plain(result.as_numpy(name)) for name in ("probabilities", "indices", "labels")}


def refused(module: Any, client: Any) -> dict[str, str]:
    """What the client raises for a model that is not there, a wrong type and an unknown output."""
    found = {}
    for name, model, datatype, output in (
        ("model", "nobody", "FP32", "labels"),
        ("datatype", "tumor", "FP64", "labels"),
        ("output", "tumor", "FP32", "lables"),
    ):
        tensor = module.InferInput("x", [1, 1], datatype)
        tensor.set_data_from_numpy(np.zeros((1, 1), np.float64 if datatype == "FP64" else np.float32))
        try:
            client.infer(model, [tensor], outputs=[module.InferRequestedOutput(output)])
        except InferenceServerException as error:
            found[name] = f"{error.status()}: {error.message()}"
    return found


def metadata(client: Any, **how: Any) -> dict[str, Any]:
    found = client.get_model_metadata("tumor", **how)
    return {
        "versions": found["versions"],
        "inputs": found["inputs"],
        "outputs": {one["name"]: (one["datatype"], [int(size) for size in one["shape"]]) for one in found["outputs"]},
    }


def main() -> None:
    http = over_http.InferenceServerClient(sys.argv[1])
    grpc = over_grpc.InferenceServerClient(sys.argv[2])
    found: dict[str, Any] = {}
    for name, client in (("http", http), ("grpc", grpc)):
        found[name] = {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model_ready": client.is_model_ready("tumor"),
            "version_ready": client.is_model_ready("tumor", "1"),
            "no_version": client.is_model_ready("tumor", "7"),
        }
    found["http"]["server"] = http.get_server_metadata()
    found["grpc"]["server"] = grpc.get_server_metadata(as_json=True)
    found["http"]["metadata"] = metadata(http)
    found["grpc"]["metadata"] = metadata(grpc, as_json=True)
    found["http"]["index"] = http.get_model_repository_index()
    found["grpc"]["index"] = grpc.get_model_repository_index(as_json=True)["models"]
    found["infer"] = {
        "http, JSON": asked(over_http, http, binary=False),
        "http, binary": asked(over_http, http, binary=True),
        "http, gzip": asked(over_http, http, binary=True, request_compression_algorithm="gzip", model_version="1"),
        "grpc": asked(over_grpc, grpc, binary=True),
    }
    found["defaults"] = {"http": defaults(over_http, http), "grpc": defaults(over_grpc, grpc)}
    found["refused"] = {"http": refused(over_http, http), "grpc": refused(over_grpc, grpc)}
    found["descriptor"] = base64.b64encode(service_pb2.DESCRIPTOR.serialized_pb).decode()
    print(json.dumps(found))


main()
