"""A backend without a model server, for tests of applications that embed headwise: functions as models."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from headwise.backends import model_specs
from headwise.backends.base import CLASSIFY, METADATA, PREDICT, REGRESS, STATUS, Arrays, RawPrediction
from headwise.errors import BackendRejectedError
from headwise.repository.model_spec import ModelSpec, VersionState
from headwise.savedmodel import tensors
from headwise.tfserving import inference_pb2, model_service_pb2, prediction_service_pb2, saved_model_pb2

SIGNATURE_DEF_TYPE = "type.googleapis.com/tensorflow.serving.SignatureDefMap"


@dataclass(frozen=True)
class InMemoryModel:
    """One version: its SignatureDefs, and a function from input arrays to output arrays."""

    signatures: Mapping[str, saved_model_pb2.SignatureDef]
    run: Callable[[Arrays], Arrays]


@dataclass
class InMemoryBackend:
    """Models by name and version; `models` may be changed while it runs. Refuses in TFS's words."""

    models: dict[str, dict[int, InMemoryModel]]
    labels: dict[str, dict[str, int]] = field(default_factory=dict)

    async def predict(
        self, spec: ModelSpec, inputs: Arrays, *, timeout: float, outputs: tuple[str, ...] = ()
    ) -> RawPrediction:
        """Call the version's function; `timeout` does not apply to it."""
        version, model = self._find(spec)
        if spec.signature_name not in model.signatures:
            raise BackendRejectedError(
                "FAILED_PRECONDITION", f'Serving signature key "{spec.signature_name}" not found.'
            )
        known = model.signatures[spec.signature_name].outputs
        if unknown := [name for name in outputs if name not in known]:
            raise BackendRejectedError(
                "INVALID_ARGUMENT",
                f"output tensor alias not found in signature: {unknown[0]} "
                f"Outputs expected to be in the set {{{','.join(sorted(known))}}}.",
            )
        answer = model.run(inputs)
        return RawPrediction(version, {name: answer[name] for name in answer if name in (outputs or answer)})

    async def classify(
        self, spec: ModelSpec, examples: inference_pb2.Input, *, timeout: float
    ) -> inference_pb2.ClassificationResponse:
        """Call the version's function with serialised tf.Examples as `inputs`; `timeout` does not apply to it."""
        version, columns = self._run_examples(spec, examples, {"classes": "label", "scores": "score"})
        answer = inference_pb2.ClassificationResponse()
        _name(answer.model_spec, spec, version)
        for row in zip(*columns.values(), strict=True):
            classes = answer.result.classifications.add().classes
            for values in zip(*row, strict=True):
                classes.add(**dict(zip(columns, values, strict=True)))
        return answer

    async def regress(
        self, spec: ModelSpec, examples: inference_pb2.Input, *, timeout: float
    ) -> inference_pb2.RegressionResponse:
        """Call the version's function with serialised tf.Examples as `inputs`; `timeout` does not apply to it."""
        version, columns = self._run_examples(spec, examples, {"outputs": "value"})
        answer = inference_pb2.RegressionResponse()
        _name(answer.model_spec, spec, version)
        for value in columns["value"]:
            answer.result.regressions.add(value=value)
        return answer

    async def forward(self, method: str, request: bytes, *, timeout: float, spec: ModelSpec | None = None) -> bytes:
        """Read the request, call the method, write the answer."""
        known: dict[str, tuple[Any, Callable[[Any, float], Awaitable[Message]]]] = {
            PREDICT: (prediction_service_pb2.PredictRequest, self._forward_predict),
            CLASSIFY: (inference_pb2.ClassificationRequest, partial(self._forward_examples, self.classify)),
            REGRESS: (inference_pb2.RegressionRequest, partial(self._forward_examples, self.regress)),
            METADATA: (prediction_service_pb2.GetModelMetadataRequest, partial(self._forward_spec, self.metadata)),
            STATUS: (model_service_pb2.GetModelStatusRequest, partial(self._forward_spec, self.status)),
        }
        if method not in known:
            raise BackendRejectedError("UNIMPLEMENTED", f"the in-memory backend has no {method}")
        kind, answer = known[method]
        read = kind.FromString(request)
        if not read.HasField("model_spec"):
            raise BackendRejectedError("INVALID_ARGUMENT", "Missing ModelSpec")
        written: bytes = (await answer(read, timeout)).SerializeToString()
        return written

    async def metadata(self, spec: ModelSpec, *, timeout: float) -> prediction_service_pb2.GetModelMetadataResponse:
        """The version's SignatureDefs."""
        version, model = self._find(spec)
        signatures = prediction_service_pb2.SignatureDefMap(signature_def=model.signatures)
        packed = prediction_service_pb2.PackedMessage(type_url=SIGNATURE_DEF_TYPE, value=signatures.SerializeToString())
        answer = prediction_service_pb2.GetModelMetadataResponse(metadata={"signature_def": packed})
        answer.model_spec.name = spec.name
        answer.model_spec.version.value = version
        return answer

    async def status(self, spec: ModelSpec, *, timeout: float) -> model_service_pb2.GetModelStatusResponse:
        """Every version is AVAILABLE."""
        versions = sorted(self.models.get(spec.name, ()), reverse=True)
        if spec.version is not None:
            versions = [version for version in versions if version == spec.version]
        if not versions:
            what = f"version {spec.version}" if spec.version is not None else "any versions"
            raise BackendRejectedError("NOT_FOUND", f"Could not find {what} of model {spec.name}")
        answer = model_service_pb2.GetModelStatusResponse()
        for version in versions:
            answer.model_version_status.add(version=version, state=VersionState.AVAILABLE.value)
        return answer

    async def close(self) -> None:
        """Nothing to let go of."""

    async def _forward_predict(self, request: Any, timeout: float) -> Message:
        spec = model_specs.from_proto(request.model_spec)
        inputs = {name: tensors.from_proto(proto) for name, proto in request.inputs.items()}
        found = await self.predict(spec, inputs, timeout=timeout, outputs=tuple(request.output_filter))
        outputs = {name: tensors.to_proto(array) for name, array in found.outputs.items()}
        answer = prediction_service_pb2.PredictResponse(outputs=outputs)
        _name(answer.model_spec, spec, found.version)
        return answer

    async def _forward_examples(self, call: Callable[..., Awaitable[Message]], request: Any, timeout: float) -> Message:
        return await call(model_specs.from_proto(request.model_spec), request.input, timeout=timeout)

    async def _forward_spec(self, call: Callable[..., Awaitable[Message]], request: Any, timeout: float) -> Message:
        return await call(model_specs.from_proto(request.model_spec), timeout=timeout)

    def _run_examples(
        self, spec: ModelSpec, examples: inference_pb2.Input, fields: Mapping[str, str]
    ) -> tuple[int, Mapping[str, list[Any]]]:
        """The version that answered, and the values of its outputs by the field that carries them."""
        version, model = self._find(spec)
        signature = model.signatures.get(spec.signature_name)
        if signature is None:
            raise BackendRejectedError(
                "INVALID_ARGUMENT", f"No signature was found with the name: {spec.signature_name}"
            )
        if set(signature.inputs) != {"inputs"} or not set(signature.outputs) <= set(fields):
            raise BackendRejectedError(
                "INVALID_ARGUMENT", f"Expected `inputs` to {' and '.join(fields)} in SignatureDef: {signature}"
            )
        answer = model.run({"inputs": _serialized(examples)})
        return version, {field: answer[name].tolist() for name, field in fields.items() if name in signature.outputs}

    def _find(self, spec: ModelSpec) -> tuple[int, InMemoryModel]:
        version = spec.version
        if spec.label is not None:
            version = self.labels.get(spec.name, {}).get(spec.label)
            if version is None:
                raise BackendRejectedError("INVALID_ARGUMENT", f"Unrecognized servable version label: {spec.label}")
        versions = self.models.get(spec.name, {})
        if version is None and versions:
            version = max(versions)
        if version is None or version not in versions:
            wanted = f"Latest({spec.name})" if version is None else f"Specific({spec.name}, {version})"
            raise BackendRejectedError("NOT_FOUND", f"Servable not found for request: {wanted}")
        return version, versions[version]


def _serialized(examples: inference_pb2.Input) -> NDArray[Any]:
    """(batch,) bytes: each example behind the context that they share, which merges them when they are parsed."""
    sent = getattr(examples, examples.WhichOneof("kind"))
    context = sent.context.SerializeToString() if hasattr(sent, "context") else b""
    rows = np.empty(len(sent.examples), object)
    rows[:] = [context + example.SerializeToString() for example in sent.examples]
    return rows


def _name(proto: prediction_service_pb2.ModelSpec, spec: ModelSpec, version: int) -> None:
    """Say which version answered."""
    proto.name, proto.signature_name, proto.version.value = spec.name, spec.signature_name, version
