"""The way of a request: resolve -> pre-flight -> batch -> backend -> heads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
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
from headwise.batching import Batcher, Limits
from headwise.errors import (
    BackendProtocolError,
    BackendRejectedError,
    HeadNotFoundError,
    VersionNotFoundError,
)
from headwise.gateway.classification import Classification, RequestOptions
from headwise.gateway.decided import decided
from headwise.gateway.direct_call import Ask, DirectCall
from headwise.gateway.head_call import ContradictionError, HeadCall, left
from headwise.gateway.row_lists import RowLists
from headwise.preflight import check_inputs
from headwise.repository.model_repository import ModelRepository
from headwise.repository.model_spec import ModelSpec
from headwise.repository.served_model import ServedModel
from headwise.repository.snapshot import Model, Snapshot
from headwise.savedmodel import Signature
from headwise.telemetry import trail
from headwise.telemetry.metrics import Metrics
from headwise.tfserving import inference_pb2, model_service_pb2, prediction_service_pb2
from headwise.tripwires import Tripwires

ReadInputs = Callable[[Signature], "Arrays | asyncio.Future[Arrays]"]
"""Turns a request's body into arrays (batch, ...) by the signature of the version that will be asked.

A future of them where the body is large, and read in a thread.
"""

ONE_BY_ONE = Limits(rows=1, calls=64, calls_in_all=256)
"""As many calls at once as a model server with batching of its own can make use of."""
DIRECT = DirectCall()


class Gateway:
    """Answers for models of the repository through the backend.

    batcher: of heads' calls. turns: of calls that travel alone: raw numbers, and those of the unbatched models, whose
    rows depend on one another. access: asked for every call, whichever way it came; None allows all to everybody.
    tell_decisions: whether the log learns which labels were answered.
    """

    def __init__(
        self,
        backend: Backend,
        repository: ModelRepository,
        *,
        raw_when_refused: bool = False,
        tripwires: Tripwires | None = None,
        batcher: Batcher | None = None,
        turns: Batcher | None = None,
        admission: Admission | None = None,
        unbatched: frozenset[str] = frozenset(),
        access: Access | None = None,
        tell_decisions: bool = True,
    ) -> None:
        self._backend = backend
        self._batcher = batcher or Batcher()
        self._turns = turns or Batcher(ONE_BY_ONE)
        self.admission = admission or Admission()
        self._unbatched = unbatched
        self._seen = repository.snapshot
        self._calls: dict[ModelSpec, HeadCall] = {}
        self._raw_when_refused = raw_when_refused
        self._tripwires = tripwires or Tripwires(Metrics())
        self._tell_decisions = tell_decisions
        self.repository = repository
        self.access = access

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
        if self.access is not None:
            self.access.check("predict", spec.name)
        deadline = asyncio.get_running_loop().time() + timeout
        with self.admission.room(spec.name):
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
        self.allow("predict", spec.name)
        raw: RawPrediction = await self._direct(
            spec.name, lambda left: self._backend.predict(spec, inputs, timeout=left), timeout
        )
        self._check_may_answer_raw(spec.name, raw.version)
        _tell(raw.version, next((len(array) for array in inputs.values() if array.ndim), None))
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
        self.allow("predict", spec.name)
        answer: inference_pb2.ClassificationResponse = await self._direct(
            spec.name, lambda left: self._backend.classify(spec, examples, timeout=left), timeout
        )
        self._check_may_answer_raw(spec.name, answer.model_spec.version.value)
        _tell(answer.model_spec.version.value, len(answer.result.classifications))
        return answer

    async def native_regress(
        self, spec: ModelSpec, examples: inference_pb2.Input, *, timeout: float
    ) -> inference_pb2.RegressionResponse:
        """The model's own Regress, from whichever version the model server chooses; raises as `predict` does."""
        self.allow("predict", spec.name)
        answer: inference_pb2.RegressionResponse = await self._direct(
            spec.name, lambda left: self._backend.regress(spec, examples, timeout=left), timeout
        )
        self._check_may_answer_raw(spec.name, answer.model_spec.version.value)
        _tell(answer.model_spec.version.value, len(answer.result.regressions))
        return answer

    async def forward(self, method: str, request: bytes, *, timeout: float) -> bytes:
        """A serialised call of tensorflow.serving and its answer, both untouched.

        Raises: as `predict`.
        """
        specs = _asked(method, request)
        for spec in specs:
            self.allow(_VERBS.get(method, "predict"), spec.name)
        answer: bytes = await self._direct(
            specs[0].name, lambda left: self._backend.forward(method, request, timeout=left, spec=specs[0]), timeout
        )
        for spec in _answering(method, answer):
            self._check_may_answer_raw(spec.name, spec.version.value)
            _tell(spec.version.value)
        return answer

    async def metadata(self, spec: ModelSpec, *, timeout: float) -> prediction_service_pb2.GetModelMetadataResponse:
        """What the model server says of a version's signatures."""
        self.allow("metadata", spec.name)
        return await self._backend.metadata(spec, timeout=timeout)

    async def status(self, spec: ModelSpec, *, timeout: float) -> model_service_pb2.GetModelStatusResponse:
        """What the model server says of a model's versions."""
        self.allow("metadata", spec.name)
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

    async def _direct(self, what: str, ask: Ask, timeout: float) -> Any:
        """A call that travels alone, in its turn among those of the same model."""
        deadline = asyncio.get_running_loop().time() + timeout
        with self.admission.room(what):
            kind = "direct", what
            return (await self._turns.run(DIRECT, ask, 1, None, kind=kind, deadline=deadline)).answer

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
            batcher = self._batcher if call.together else self._turns
            part = await batcher.run(call, inputs, rows, asked, size=size, kind=kind, deadline=deadline)
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
        model = await self.resolve(spec, timeout=left(deadline), verb="predict")
        alone = spec.name in self._unbatched
        call = HeadCall(model, spec.signature_name, outputs, self._backend, self._tripwires, alone=alone)
        # A label is the model server's to move.
        if spec.label is None and not outputs and snapshot is self.repository.snapshot:
            self._calls[spec] = call
        return call

    async def resolve(self, spec: ModelSpec, *, timeout: float, verb: Verb = "metadata") -> ServedModel:
        """The version that a head-aware call asks: the named one, or the newest admitted one. verb: what for.

        Raises: as `allow`; NotFoundError and ModelNotReadyError, and their subclasses.
        """
        model = self.find(spec.name, verb)
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


_VERBS: Mapping[str, Verb] = {METADATA: "metadata", STATUS: "metadata"}
"""What a forwarded call is, where it is no prediction."""


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
