"""A TensorFlow Serving that has a model and takes its time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
from google.protobuf.json_format import ParseDict

from headwise.savedmodel.tensors import from_proto, to_proto
from headwise.tfserving.model_service_pb2 import GetModelStatusResponse
from headwise.tfserving.prediction_service_pb2 import PredictRequest, PredictResponse


class HeldBackend:
    """Answers `output_0`, a zero a row, after so many seconds, or when it is released."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.address = ""
        self.begun = 0
        self._released = threading.Event()

    def release(self) -> None:
        """Answer all that wait."""
        self._released.set()

    def predict(self, data: bytes, _: grpc.ServicerContext) -> bytes:
        self.begun += 1
        if self.seconds:
            self._released.wait(self.seconds)
        asked = PredictRequest.FromString(data)
        rows = len(from_proto(next(iter(asked.inputs.values()))))
        response = PredictResponse(outputs={"output_0": to_proto(np.zeros((rows, 1), np.float32))})
        response.model_spec.name = asked.model_spec.name
        response.model_spec.version.value = 1
        return bytes(response.SerializeToString())

    def status(self, _: bytes, __: grpc.ServicerContext) -> bytes:
        loaded = {"version": 1, "state": "AVAILABLE", "status": {}}
        return bytes(ParseDict({"model_version_status": [loaded]}, GetModelStatusResponse()).SerializeToString())


@contextmanager
def held_backend() -> Iterator[HeldBackend]:
    """One that listens."""
    backend = HeldBackend()
    handlers: dict[str, dict[str, Any]] = {
        "tensorflow.serving.ModelService": {"GetModelStatus": backend.status},
        "tensorflow.serving.PredictionService": {"Predict": backend.predict},
    }
    server = grpc.server(
        ThreadPoolExecutor(64),
        [
            grpc.method_handlers_generic_handler(
                service, {name: grpc.unary_unary_rpc_method_handler(answer) for name, answer in methods.items()}
            )
            for service, methods in handlers.items()
        ],
    )
    backend.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield backend
    finally:
        backend.release()
        server.stop(None).wait()
