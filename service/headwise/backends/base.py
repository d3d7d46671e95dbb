"""What the gateway needs of a model server. Every backend passes the same contract tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from headwise.errors import BackendProtocolError
from headwise.repository.model_spec import ModelSpec
from headwise.tfserving import inference_pb2, model_service_pb2, prediction_service_pb2

PREDICT = "PredictionService/Predict"
CLASSIFY = "PredictionService/Classify"
REGRESS = "PredictionService/Regress"
MULTI_INFERENCE = "PredictionService/MultiInference"
METADATA = "PredictionService/GetModelMetadata"
STATUS = "ModelService/GetModelStatus"

Arrays = Mapping[str, NDArray[Any]]
"""Named tensors; strings are object arrays of bytes."""


@dataclass(frozen=True, slots=True)
class RawPrediction:
    """Outputs (batch, ...) by name, and the version that computed them."""

    version: int
    outputs: Arrays


class Backend(Protocol):
    """Runs models. All calls raise BackendError and its subclasses, and nothing else.

    `timeout` is in seconds. A refusal by the model server is a BackendRejectedError that carries its gRPC
    status and text untouched.
    """

    async def predict(
        self, spec: ModelSpec, inputs: Arrays, *, timeout: float, outputs: tuple[str, ...] = ()
    ) -> RawPrediction:
        """Run one batch. `outputs` names the outputs that are wanted; none means all."""

    async def classify(
        self, spec: ModelSpec, examples: inference_pb2.Input, *, timeout: float
    ) -> inference_pb2.ClassificationResponse:
        """Run a signature that reads tf.Examples and answers `classes`, `scores` or both."""

    async def regress(
        self, spec: ModelSpec, examples: inference_pb2.Input, *, timeout: float
    ) -> inference_pb2.RegressionResponse:
        """Run a signature that reads tf.Examples and answers `outputs`, a number a row."""

    async def forward(self, method: str, request: bytes, *, timeout: float, spec: ModelSpec | None = None) -> bytes:
        """Pass a serialised request to `SERVICE/METHOD` of tensorflow.serving; its serialised answer, as it came.

        spec: the model that it names, where the caller has read it.
        """

    async def metadata(self, spec: ModelSpec, *, timeout: float) -> prediction_service_pb2.GetModelMetadataResponse:
        """The signatures of a loaded version."""

    async def status(self, spec: ModelSpec, *, timeout: float) -> model_service_pb2.GetModelStatusResponse:
        """The states of a model's versions."""

    async def close(self) -> None:
        """Let go of connections."""


def signature_map(
    response: prediction_service_pb2.GetModelMetadataResponse,
) -> prediction_service_pb2.SignatureDefMap:
    """Unpack the signatures.

    Raises: BackendProtocolError.
    """
    try:
        signatures = prediction_service_pb2.SignatureDefMap()
        signatures.ParseFromString(response.metadata["signature_def"].value)
    except DecodeError as error:
        raise BackendProtocolError(f"the model server's signatures cannot be read: {error}") from error
    return signatures
