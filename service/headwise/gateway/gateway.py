"""The way of a request: resolve -> pre-flight -> batch -> backend -> heads."""

from __future__ import annotations

import asyncio
import time
from contextvars import Context

from headwise.access.access import Access
from headwise.access.scopes import Verb
from headwise.admission import Admission
from headwise.backends.base import Arrays, Backend
from headwise.batching import Batcher, Limits
from headwise.errors import BackendRejectedError, BackendTimeoutError, VersionNotFoundError
from headwise.gateway.classification import Classification, RequestOptions
from headwise.gateway.decided import decided
from headwise.gateway.head_call import ContradictionError, HeadCall, left
from headwise.gateway.inputs import ReadInputs, read_arrays
from headwise.gateway.raw_calls import RawCalls
from headwise.gateway.row_lists import RowLists
from headwise.preflight import check_inputs
from headwise.repository.model_repository import ModelRepository
from headwise.repository.model_spec import ModelSpec
from headwise.repository.served_model import ServedModel
from headwise.telemetry import trail
from headwise.telemetry.answers import Answers
from headwise.telemetry.metrics import Metrics
from headwise.tripwires import Tripwires

ONE_BY_ONE = Limits(rows=1, calls=64, calls_in_all=256)
"""As many calls at once as a model server with batching of its own can make use of."""


class Gateway(RawCalls):
    """Answers by head cards, for models of the repository through the backend; and passes on what is raw.

    batcher: of heads' calls. turns: of calls that travel alone: raw numbers, and those of the unbatched models, whose
    rows depend on one another. tell_decisions: whether the log learns which labels were answered. answers: where they
    are counted.
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
        answers: Answers | None = None,
    ) -> None:
        super().__init__(
            backend,
            repository,
            admission=admission or Admission(),
            turns=turns or Batcher(ONE_BY_ONE),
            access=access,
            when_refused=raw_when_refused,
        )
        self._batcher = batcher or Batcher()
        self._unbatched = unbatched
        self._seen = repository.snapshot
        self._calls: dict[ModelSpec, HeadCall] = {}
        self._tripwires = tripwires or Tripwires(Metrics())
        self._tell_decisions = tell_decisions
        self._answers = answers or Answers()

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
        self.admission.enter(spec.name)
        try:
            return await self._classify(spec, read, options, deadline, outputs)
        except BackendRejectedError as error:
            if error.status != "NOT_FOUND":
                raise
            return await self._classify_anew(spec, read, options, deadline, outputs)
        finally:
            self.admission.leave(spec.name)

    async def _classify_anew(
        self, spec: ModelSpec, read: ReadInputs, options: RequestOptions, deadline: float, outputs: tuple[str, ...]
    ) -> Classification:
        """The version was unloaded between the look and the call: look again, and try once more."""
        try:
            async with asyncio.timeout_at(deadline):
                # A caller who leaves must not end a look that others share, nor is it in his trace.
                looking = asyncio.get_running_loop().create_task(self.repository.refresh(), context=Context())
                await asyncio.shield(looking)
        except TimeoutError as error:
            raise BackendTimeoutError("the model server did not say in time which versions it has") from error
        try:
            return await self._classify(spec, read, options, deadline, outputs)
        except BackendRejectedError as error:
            if error.status != "NOT_FOUND":
                raise
            raise VersionNotFoundError(f"the model server has not loaded {spec}: {error.detail}") from error

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
            inputs = arrays = await read_arrays(read, call.signature)
            rows, size = check_inputs(arrays, call.signature), sum([array.nbytes for array in arrays.values()])
            kind = call.kind(arrays)
        if rows > self.admission.most_rows:
            self.admission.check_rows(rows)
        told = trail.current()
        trace = None if told is None else told.trace
        taken = time.perf_counter()
        try:
            batcher = self._batcher if call.together else self.turns
            part = await batcher.run(call, inputs, rows, asked, size=size, kind=kind, deadline=deadline, trace=trace)
        except ContradictionError as found:
            error = found.error
            code = self._tripwires.refused(found.place, error)
            raise type(error)(f"{found}{f' ({code})' if code else ''}") from error
        answer = Classification(part.answer, part.start, part.stop)
        if told is not None:
            labels, abstained = decided(answer) if self._tell_decisions else ({}, {})
            told.answered(answer.model.version, answer.stop - answer.start, labels, abstained)
            told.travelled(taken, part.sent, part.back)
        return answer

    async def _call(self, spec: ModelSpec, deadline: float, outputs: tuple[str, ...]) -> HeadCall:
        """The call that a spec means, kept for as long as the repository's snapshot holds."""
        snapshot = self.repository.snapshot
        if self._seen is not snapshot:
            self._seen = snapshot
            self._calls.clear()
        model = await self.resolve(spec, timeout=left(deadline), verb="predict")
        alone = spec.name in self._unbatched
        call = HeadCall(model, spec.signature_name, outputs, self._backend, self._tripwires, self._answers, alone)
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
