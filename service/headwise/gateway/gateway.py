"""The way of a request: resolve -> pre-flight -> batch -> backend -> heads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from google.protobuf.message import DecodeError

from headwise.backends.base import (
    CLASSIFY,
    MULTI_INFERENCE,
    PREDICT,
    REGRESS,
    Arrays,
    Backend,
    RawPrediction,
    signature_map,
)
from headwise.batching import Batcher
from headwise.errors import (
    BackendProtocolError,
    BackendRejectedError,
    HeadNotFoundError,
    VersionNotFoundError,
)
from headwise.gateway.classification import Classification, RequestOptions
from headwise.gateway.decided import decided
from headwise.gateway.head_call import ContradictionError, HeadCall, left
from headwise.gateway.row_lists import RowLists
from headwise.preflight import check_inputs
from headwise.repository.model_repository import ModelRepository
from headwise.repository.model_spec import ModelSpec
from headwise.repository.served_model import ServedModel
from headwise.savedmodel import Signature
from headwise.telemetry import trail
from headwise.telemetry.metrics import Metrics
from headwise.tfserving import inference_pb2, model_service_pb2, prediction_service_pb2
from headwise.tripwires import Tripwires

ReadInputs = Callable[[Signature], "Arrays | asyncio.Future[Arrays]"]
"""Turns a request's body into arrays (batch, ...) by the signature of the version that will be asked.

A future of them where the body is large, and read in a thread.
"""


class Gateway:
    """Answers for models of the repository through the backend.

    unbatched: models whose requests travel each alone, since their rows depend on one another. tell_decisions: whether
    the log learns which labels were answered.
    """

    def __init__(
        self,
        backend: Backend,
        repository: ModelRepository,
        *,
        raw_when_refused: bool = False,
        tripwires: Tripwires | None = None,
        batcher: Batcher | None = None,
        unbatched: frozenset[str] = frozenset(),
        tell_decisions: bool = True,
    ) -> None:
        self._backend = backend
        self._batcher = batcher or Batcher()
        self._unbatched = unbatched
        self._seen = repository.snapshot
        self._calls: dict[ModelSpec, HeadCall] = {}
        self._raw_when_refused = raw_when_refused
        self._tripwires = tripwires or Tripwires(Metrics())
        self._tell_decisions = tell_decisions
        self.repository = repository

    async def classify(
        self,
        spec: ModelSpec,
        read: ReadInputs,
        options: RequestOptions,
        *,
        timeout: float,
        outputs: tuple[str, ...] = (),
    ) -> Classification:
        """Calibrated probabilities and labels, by the card of the version that answered; timeout in seconds.

        outputs: further outputs of the model that are wanted as they come.

        Raises: every HeadwiseError that a request can meet.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        try:
            return await self._classify(spec, read, options, deadline, outputs)
        except BackendRejectedError as error:
            if error.status != "NOT_FOUND":
                raise
        # The version was unloaded between the look and the call: look again, and try once more.
        await asyncio.shield(self.repository.refresh())  # a caller who leaves must not end a look that others share
        try:
            return await self._classify(spec, read, options, deadline, outputs)
        except BackendRejectedError as error:
            if error.status != "NOT_FOUND":
                raise
            raise VersionNotFoundError(f"the model server has not loaded {spec}: {error.detail}") from error

    async def predict(self, spec: ModelSpec, inputs: Arrays, *, timeout: float) -> RawPrediction:
        """The model's own numbers, from whichever version the model server chooses.

        Raises: HeadConfigError if that version's card is refused, unless the gateway was told to answer.
        """
        raw = await self._backend.predict(spec, inputs, timeout=timeout)
        self._check_may_answer_raw(spec.name, raw.version)
        _tell(raw.version, next((len(array) for array in inputs.values() if array.ndim), None))
        return raw

    async def raw(self, spec: ModelSpec, read: ReadInputs, *, timeout: float) -> RawPrediction:
        """The model's own numbers, with the inputs held against the signature first.

        Raises: as `predict`; NotFoundError, InvalidTensorError.
        """
        try:
            known = await self.signatures(spec, timeout=timeout)
            if spec.signature_name not in known:
                raise HeadNotFoundError(f"{spec} has no signature {spec.signature_name!r}")
            inputs = await _read(read, known[spec.signature_name])
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
        answer = await self._backend.classify(spec, examples, timeout=timeout)
        self._check_may_answer_raw(spec.name, answer.model_spec.version.value)
        _tell(answer.model_spec.version.value, len(answer.result.classifications))
        return answer

    async def native_regress(
        self, spec: ModelSpec, examples: inference_pb2.Input, *, timeout: float
    ) -> inference_pb2.RegressionResponse:
        """The model's own Regress, from whichever version the model server chooses; raises as `predict` does."""
        answer = await self._backend.regress(spec, examples, timeout=timeout)
        self._check_may_answer_raw(spec.name, answer.model_spec.version.value)
        _tell(answer.model_spec.version.value, len(answer.result.regressions))
        return answer

    async def forward(self, method: str, request: bytes, *, timeout: float) -> bytes:
        """A serialised call of tensorflow.serving and its answer, both untouched.

        Raises: as `predict`.
        """
        answer = await self._backend.forward(method, request, timeout=timeout)
        for spec in _answering(method, answer):
            self._check_may_answer_raw(spec.name, spec.version.value)
            _tell(spec.version.value)
        return answer

    async def metadata(self, spec: ModelSpec, *, timeout: float) -> prediction_service_pb2.GetModelMetadataResponse:
        """What the model server says of a version's signatures."""
        return await self._backend.metadata(spec, timeout=timeout)

    async def status(self, spec: ModelSpec, *, timeout: float) -> model_service_pb2.GetModelStatusResponse:
        """What the model server says of a model's versions."""
        return await self._backend.status(spec, timeout=timeout)

    async def signatures(self, spec: ModelSpec, *, timeout: float) -> Mapping[str, Signature]:
        """The signatures of the version that `predict` reaches; asked of the model server where not known."""
        known = self._reached(spec)
        if known is not None and known.signatures:
            return known.signatures
        answer = await self._backend.metadata(spec, timeout=timeout)
        return {name: Signature.from_proto(proto) for name, proto in signature_map(answer).signature_def.items()}

    def _reached(self, spec: ModelSpec) -> ServedModel | None:
        """The version that the model server will choose, as far as the repository knows: the largest loaded one."""
        model = self.repository.snapshot.models.get(spec.name)
        if model is None or spec.label is not None:
            return None
        loaded = (version for version in model.versions if version.available)
        found = (v.model for v in loaded if spec.version in (None, v.status.version))
        return next(found, None)

    def _check_may_answer_raw(self, name: str, version: int) -> None:
        answered = self.repository.served(name, version)
        if answered is not None and not self._raw_when_refused:
            answered.check_not_refused()

    async def _classify(
        self, spec: ModelSpec, read: ReadInputs, options: RequestOptions, deadline: float, outputs: tuple[str, ...]
    ) -> Classification:
        call = self._calls.get(spec) if self._seen is self.repository.snapshot and not outputs else None
        if call is None:
            call = await self._call(spec, deadline, outputs)
        asked = call.asked(options)
        if type(read) is RowLists and (known := call.of_lists) is not None:
            inputs: Arrays | RowLists = read
            rows, kind = len(read.rows), known.kind
            size = rows * known.row_bytes
        else:
            inputs = arrays = await _read(read, call.signature)
            rows, size = check_inputs(arrays, call.signature), sum([array.nbytes for array in arrays.values()])
            kind = call.kind(arrays)
        try:
            part = await self._batcher.run(call, inputs, rows, asked, size=size, kind=kind, deadline=deadline)
        except ContradictionError as found:
            error = found.error
            code = self._tripwires.refused(found.place, error)
            raise type(error)(f"{found}{f' ({code})' if code else ''}") from error
        answer = Classification(*part)
        told = trail.current()
        if told is not None:
            labels, abstained = decided(answer) if self._tell_decisions else ({}, {})
            told.answered(answer.model.version, answer.stop - answer.start, labels, abstained)
        return answer

    async def _call(self, spec: ModelSpec, deadline: float, outputs: tuple[str, ...]) -> HeadCall:
        """The call that a spec means, kept for as long as the repository's snapshot holds."""
        snapshot = self.repository.snapshot
        if self._seen is not snapshot:
            self._seen = snapshot
            self._calls.clear()
        model = await self.resolve(spec, timeout=left(deadline))
        alone = spec.name in self._unbatched
        call = HeadCall(model, spec.signature_name, outputs, self._backend, self._tripwires, alone=alone)
        # A label is the model server's to move.
        if spec.label is None and not outputs and snapshot is self.repository.snapshot:
            self._calls[spec] = call
        return call

    async def resolve(self, spec: ModelSpec, *, timeout: float) -> ServedModel:
        """The version that a head-aware call asks: the named one, or the newest admitted one.

        Raises: NotFoundError and ModelNotReadyError, and their subclasses.
        """
        model = self.repository.find(spec.name)
        if spec.label is not None:
            number = await self._labelled(spec, timeout)
        elif spec.version is not None:
            number = spec.version
        elif (admitted := model.newest_admitted) is not None:
            number = admitted.status.version
        else:
            raise model.nothing_admitted(spec.signature_name)
        version = model.version(number)
        if version is None:
            known = ", ".join(str(other.status.version) for other in model.versions) or "none"
            raise VersionNotFoundError(f"model {spec.name} has no version {number}; its versions are {known}")
        if version.call_error is not None:
            raise version.call_error
        return version.model

    async def _labelled(self, spec: ModelSpec, timeout: float) -> int:
        """Labels live in the model server's configuration, so it is asked."""
        try:
            answer = await self._backend.metadata(spec, timeout=timeout)
        except BackendRejectedError as error:
            if error.status in ("INVALID_ARGUMENT", "NOT_FOUND"):
                raise VersionNotFoundError(f"model {spec.name} has no label {spec.label!r}: {error.detail}") from error
            raise
        version: int = answer.model_spec.version.value
        return version


def _tell(version: int, rows: int | None = None) -> None:
    """Let the log know who answered."""
    told = trail.current()
    if told is not None:
        told.answered(version, rows)


async def _read(read: ReadInputs, signature: Signature) -> Arrays:
    inputs = read(signature)
    return await inputs if isinstance(inputs, asyncio.Future) else inputs


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
