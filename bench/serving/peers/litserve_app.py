"""LitServe with its defaults: one process for HTTP, one for the model.

python -m serving.peers.litserve_app
"""

import os
from typing import Any

import litserve
import numpy as np
from fastapi import Request
from serving.peers.saved_model import SavedModel


class Classifier(litserve.LitAPI):  # type: ignore[misc]  # it is not installed where types are checked
    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe calls it so
        self.model = SavedModel()

    def decode_request(self, request: Request) -> Any:  # LitServe reads the annotation, and passes the parsed JSON
        return np.array(request["instances"], np.float32)

    def predict(self, x: Any) -> Any:
        return self.model.run(x)

    def encode_response(self, output: Any) -> dict[str, Any]:
        return {"predictions": self.model.head.answer(output)}


if __name__ == "__main__":
    server = litserve.LitServer(Classifier(api_path="/classify"), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), generate_client_file=False, log_level="warning")
