"""What passes as it comes: raw numbers, a model's own Classify and Regress, what is said of models."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from headwise.access.access import Access
from headwise.access.scopes import EVERY, Verb
from headwise.admission import Admission
from headwise.backends import model_specs
from headwise.backends.base import (
    CLASSIFY,
    METADATA,
    MULTI_INFERENCE,
    PREDICT,
    REGRESS,
    STATUS,
    Arrays,
    Backend,
    RawPrediction,
    signature_map,
)
from headwise.batching import Batcher
from headwise.errors import BackendProtocolError, BackendRejectedError, HeadNotFoundError, VersionNotFoundError
from headwise.gateway.direct_call import Ask, DirectCall
from headwise.gateway.inputs import ReadInputs, read_arrays
from headwise.preflight import check_inputs
from headwise.repository.model_repository import ModelRepository
from headwise.repository.model_spec import ModelSpec
from headwise.repository.served_model import ServedModel
from headwise.repository.snapshot import Model, Snapshot
from headwise.savedmodel import Signature
from headwise.telemetry import trail
from headwise.tfserving import inference_pb2, model_service_pb2, prediction_service_pb2, tensor_pb2

_DIRECT = DirectCall()


class RawCalls:
    """Calls of TensorFlow Serving's meaning, for models of the repository and others.

    turns: of the calls, which travel alone. access: asked for every call, whichever way it came; None allows all to
    everybody. when_refused: whether a model answers whose card is refused.
    """

    def __init__(
        self,
        backend: Backend,
        repository: ModelRepository,
        *,
        admission: Admission,
        turns: Batcher,
        access: Access | None,
        when_refused: bool,
    ) -> None:
        self.repository = repository
        self.admission = admission
        self.access = access
        self.turns = turns
        self._backend = backend
        self._when_refused = when_refused

    def allow(self, verb: Verb, model: str) -> None:
        """Raises: UnauthenticatedError, PermissionDeniedError. Before anything is looked up: names must not leak."""
        if self.access is not None:
            self.access.check(verb, model)

    @property
    def shows_all(self) -> bool:
        """Whether the caller may know of every model."""
        return self.access is None or self.access.may("metadata", EVERY)

    @property
    def shown(self) -> Snapshot:
        """The repository's snapshot, as far as the caller may know of it."""
        snapshot, access = self.repository.snapshot, self.access
        if access is None or self.shows_all:
            return snapshot
        models = {name: model for name, model in snapshot.models.items() if access.may("metadata", name)}
        return Snapshot(models, snapshot.backend_error)

    def find(self, name: str, verb: Verb = "metadata") -> Model:
        """A model by name.

        Raises: as `allow`; ModelNotFoundError.
        """
        self.allow(verb, name)
        known = self.repository.snapshot.models.get(name)
        return self.repository.find(name, self.shown) if known is None else known

    async def predict(self, spec: ModelSpec, inputs: Arrays, *, timeout: float) -> RawPrediction:
        """The model's own numbers, from whichever version the model server chooses.

        Raises: HeadConfigError if that version's card is refused, unless the gateway was told to answer.
        """
        self.allow("predict", spec.name)
        rows = max((len(array) for array in inputs.values() if array.ndim), default=0)
        self.admission.check_rows(rows)
        raw: RawPrediction = await self._direct(
            spec.name, lambda left: self._backend.predict(spec, inputs, timeout=left), timeout, PREDICT
        )
        self._came(spec.name, raw.version, rows or None)
        return raw

    async def raw(self, spec: ModelSpec, read: ReadInputs, *, timeout: float) -> RawPrediction:
        """The model's own numbers, with the inputs held against the signature first.

        Raises: as `predict`; NotFoundError, InvalidTensorError.
        """
        self.allow("predict", spec.name)
        try:
            known = await self.signatures(spec, timeout=timeout)
            if spec.signature_name not in known:
                raise HeadNotFoundError(f"{spec} has no signature {spec.signature_name!r}")
            inputs = await read_arrays(read, known[spec.signature_name])
            check_inputs(inputs, known[spec.signature_name])
            return await self.predict(spec, inputs, timeout=timeout)
        except BackendRejectedError as error:
            if error.status != "NOT_FOUND":
                raise
            raise VersionNotFoundError(f"the model server has not loaded {spec}: {error.detail}") from error

    async def native_classify(
        self, spec: ModelSpec, examples: inference_pb2.Input, *, timeout: float
    ) -> inference_pb2.ClassificationResponse:
        """The model's own Classify, from whichever version the model server chooses; raises as `predict` does."""
        self.allow("predict", spec.name)
        self.admission.check_rows(_examples(examples))
        answer: inference_pb2.ClassificationResponse = await self._direct(
            spec.name, lambda left: self._backend.classify(spec, examples, timeout=left), timeout, CLASSIFY
        )
        self._came(spec.name, answer.model_spec.version.value, len(answer.result.classifications))
        return answer

    async def native_regress(
        self, spec: ModelSpec, examples: inference_pb2.Input, *, timeout: float
    ) -> inference_pb2.RegressionResponse:
        """The model's own Regress, from whichever version the model server chooses; raises as `predict` does."""
        self.allow("predict", spec.name)
        self.admission.check_rows(_examples(examples))
        answer: inference_pb2.RegressionResponse = await self._direct(
            spec.name, lambda left: self._backend.regress(spec, examples, timeout=left), timeout, REGRESS
        )
        self._came(spec.name, answer.model_spec.version.value, len(answer.result.regressions))
        return answer

    async def forward(self, method: str, request: bytes, *, timeout: float) -> bytes:
        """A serialised call of tensorflow.serving and its answer, both untouched.

        Raises: as `predict`.
        """
        specs = _asked(method, request)
        for spec in specs:
            self.allow(_VERBS[method], spec.name)
        self.admission.check_rows(_rows(method, request))
        answer: bytes = await self._direct(
            specs[0].name,
            lambda left: self._backend.forward(method, request, timeout=left, spec=specs[0]),
            timeout,
            method,
        )
        for spec in _answering(method, answer):
            self._came(spec.name, spec.version.value)
        return answer

    async def metadata(self, spec: ModelSpec, *, timeout: float) -> prediction_service_pb2.GetModelMetadataResponse:
        """What the model server says of a version's signatures."""
        self.allow("metadata", spec.name)
        with self.admission.room(spec.name):
            return await self._backend.metadata(spec, timeout=timeout)

    async def status(self, spec: ModelSpec, *, timeout: float) -> model_service_pb2.GetModelStatusResponse:
        """What the model server says of a model's versions."""
        self.allow("metadata", spec.name)
        with self.admission.room(spec.name):
            return await self._backend.status(spec, timeout=timeout)

    async def signatures(self, spec: ModelSpec, *, timeout: float, verb: Verb = "predict") -> Mapping[str, Signature]:
        """The signatures of the version that `predict` reaches; asked of the model server where not known.

        verb: what they are wanted for.
        """
        self.allow(verb, spec.name)
        known = self._reached(spec)
        if known is not None and known.signatures:
            return known.signatures
        answer = await self._backend.metadata(spec, timeout=timeout)
        return {name: Signature.from_proto(proto) for name, proto in signature_map(answer).signature_def.items()}

    async def _direct(self, what: str, ask: Ask, timeout: float, method: str) -> Any:
        """A call that travels alone, in its turn among those of the same method and model."""
        deadline = asyncio.get_running_loop().time() + timeout
        told = trail.current()
        trace = None if told is None else told.trace
        taken = time.perf_counter()
        with self.admission.room(what):
            kind = method, what
            part = await self.turns.run(_DIRECT, ask, 1, None, kind=kind, deadline=deadline, trace=trace)
        if told is not None:
            told.travelled(taken, part.sent, part.back)
        return part.answer

    def _reached(self, spec: ModelSpec) -> ServedModel | None:
        """The version that the model server will choose, as far as the repository knows: the largest loaded one."""
        model = self.repository.snapshot.models.get(spec.name)
        if model is None or spec.label is not None:
            return None
        loaded = (version for version in model.versions if version.available)
        found = (v.model for v in loaded if spec.version in (None, v.status.version))
        return next(found, None)

    def _came(self, name: str, version: int, rows: int | None = None) -> None:
        """A version has answered: may it, and let the log know.

        Raises: HeadConfigError.
        """
        answered = self.repository.served(name, version)
        if answered is not None and not self._when_refused:
            answered.check_not_refused()
        told = trail.current()
        if told is not None:
            told.answered(version, rows)


_VERBS: Mapping[str, Verb] = {
    **dict.fromkeys((PREDICT, CLASSIFY, REGRESS, MULTI_INFERENCE), "predict"),
    **dict.fromkeys((METADATA, STATUS), "metadata"),
}
"""What a forwarded call is allowed by."""


def _asked(method: str, request: bytes) -> Sequence[ModelSpec]:
    """The models that a forwarded call names; one without a name where it names none, or cannot be read."""
    try:
        if method == MULTI_INFERENCE:
            named = [of.model_spec for of in inference_pb2.MultiInferenceRequest.FromString(request).tasks]
        else:
            named = [prediction_service_pb2.RequestSpec.FromString(request).model_spec]
    except DecodeError:
        named = []
    return [model_specs.from_proto(spec) for spec in named] or [ModelSpec("")]


def _rows(method: str, request: bytes) -> int:
    """How many rows a forwarded call has; 0 where they cannot be read: the model server has its own words for that."""
    kind = _REQUESTS.get(method)
    if kind is None:
        return 0
    try:
        message = kind.FromString(request)
    except DecodeError:
        return 0
    return _examples(message.input) if method != PREDICT else max(map(_first_size, message.inputs.values()), default=0)


_REQUESTS: Mapping[str, Any] = {
    PREDICT: prediction_service_pb2.PredictRequest,
    CLASSIFY: inference_pb2.ClassificationRequest,
    REGRESS: inference_pb2.RegressionRequest,
    MULTI_INFERENCE: inference_pb2.MultiInferenceRequest,
}
"""What forwarded calls with rows carry."""


_ELEMENTS = 2**63
"""What is not below this many numbers the model server refuses, in its own words."""


def _first_size(tensor: tensor_pb2.TensorProto) -> int:
    """As the tensor declares it: one number may stand for all that follow. 0 where no tensor can have its shape."""
    sizes = [dim.size for dim in tensor.tensor_shape.dim]
    return sizes[0] if sizes and math.prod(sizes) < _ELEMENTS else 0


def _examples(given: inference_pb2.Input) -> int:
    return len(given.example_list.examples) or len(given.example_list_with_context.examples)


def _answering(method: str, answer: bytes) -> list[prediction_service_pb2.ModelSpec]:
    """Which versions answered; none where the answer says no numbers of a model.

    Raises: BackendProtocolError.
    """
    try:
        if method == MULTI_INFERENCE:
            return [of.model_spec for of in inference_pb2.MultiInferenceResponse.FromString(answer).results]
        if method in (PREDICT, CLASSIFY, REGRESS):
            return [prediction_service_pb2.AnswerSpec.FromString(answer).model_spec]
    except DecodeError as error:
        raise BackendProtocolError(f"the model server's answer to {method} cannot be read: {error}") from error
    return []
