"""Several model servers as one backend: in turn, around those that do not answer, with a second try."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import structlog

from headwise.backends.addresses import Lookup
from headwise.backends.base import Arrays, RawPrediction
from headwise.backends.replica import Replica
from headwise.backends.retry_budget import RetryBudget
from headwise.backends.rollout import Rollout, Statuses
from headwise.backends.tfserving import TFServingBackend
from headwise.errors import BackendError, BackendRejectedError, BackendUnavailableError
from headwise.repository.model_spec import ModelSpec
from headwise.telemetry.metrics import Metrics
from headwise.tfserving import inference_pb2, model_service_pb2, prediction_service_pb2

_log = structlog.get_logger(__name__)

_LOOKUP_INTERVAL = 10.0
_MARGIN, _MOST_MARGIN = 0.05, 0.025
"""The part of a deadline, and the seconds at most, that are kept back to tell the caller of it."""

T = TypeVar("T")
Call = Callable[[TFServingBackend, float], Awaitable[T]]


class Replicas:
    """A `Backend`. lookup: where the servers are. connect: makes the connection to a target. vary: see `Replica`.

    `run` keeps watch over them, while it is awaited; without it none is ever ejected, and they are looked up once.
    """

    def __init__(
        self,
        lookup: Lookup,
        connect: Callable[[str], TFServingBackend],
        metrics: Metrics,
        vary: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._lookup = lookup
        self._looking: asyncio.Task[None] | None = None
        self._connect = connect
        self._vary = vary
        self._metrics = metrics
        self._replicas: dict[str, Replica] = {}
        self._rotation: tuple[Replica, ...] = ()
        self._turn = 0
        self._budget = RetryBudget()
        self._rollout: Rollout[Replica] = Rollout()
        self._unknown = ""

    @property
    def up(self) -> Mapping[str, bool]:
        """Which of them are in rotation, by address."""
        replicas = tuple(self._replicas.values())
        return {replica.address: replica.in_rotation for replica in replicas}

    async def run(self) -> None:
        """Keep watch until cancelled."""
        watching: dict[Replica, asyncio.Task[None]] = {}
        try:
            while True:
                await self.look_up()
                current = set(self._replicas.values())
                for replica in current - watching.keys():
                    watching[replica] = asyncio.create_task(replica.watch())
                for replica in watching.keys() - current:
                    watching.pop(replica).cancel()
                await asyncio.sleep(_LOOKUP_INTERVAL if current else 1.0)
        finally:
            for task in watching.values():
                task.cancel()

    async def predict(
        self, spec: ModelSpec, inputs: Arrays, *, timeout: float, outputs: tuple[str, ...] = ()
    ) -> RawPrediction:
        """Run one batch; see `Backend`."""
        return await self._try(
            spec, timeout, lambda server, left: server.predict(spec, inputs, timeout=left, outputs=outputs)
        )

    async def classify(
        self, spec: ModelSpec, examples: inference_pb2.Input, *, timeout: float
    ) -> inference_pb2.ClassificationResponse:
        """Run a signature that classifies tf.Examples; see `Backend`."""
        return await self._try(spec, timeout, lambda server, left: server.classify(spec, examples, timeout=left))

    async def regress(
        self, spec: ModelSpec, examples: inference_pb2.Input, *, timeout: float
    ) -> inference_pb2.RegressionResponse:
        """Run a signature that makes one number of each tf.Example; see `Backend`."""
        return await self._try(spec, timeout, lambda server, left: server.regress(spec, examples, timeout=left))

    async def forward(self, method: str, request: bytes, *, timeout: float, spec: ModelSpec | None = None) -> bytes:
        """Pass a serialised request on; see `Backend`."""
        return await self._try(
            spec or _NO_MODEL, timeout, lambda server, left: server.forward(method, request, timeout=left)
        )

    async def metadata(self, spec: ModelSpec, *, timeout: float) -> prediction_service_pb2.GetModelMetadataResponse:
        """The signatures of a loaded version; see `Backend`."""
        return await self._try(spec, timeout, lambda server, left: server.metadata(spec, timeout=left))

    async def status(self, spec: ModelSpec, *, timeout: float) -> model_service_pb2.GetModelStatusResponse:
        """The states of a model's versions, of all servers in rotation together; see `Backend`."""
        if not self._replicas:
            timeout = await self._begun(timeout)
        if spec.version is not None or spec.label is not None:
            return await self._try(spec, timeout, lambda server, left: server.status(spec, timeout=left))
        asked = self._rotation
        if not asked:
            raise self._nobody()
        found = await asyncio.gather(
            *(replica.run(lambda server: server.status(spec, timeout=timeout)) for replica in asked),
            return_exceptions=True,
        )
        reports: dict[Replica, Statuses] = {}
        for replica, answer in zip(asked, found, strict=True):
            if not isinstance(answer, BaseException):
                reports[replica] = {one.version: one for one in answer.model_version_status}
            elif not isinstance(answer, BackendRejectedError):  # one that is silent says what it said last
                reports[replica] = self._rollout.last(spec.name, replica)
        if all(isinstance(answer, BaseException) for answer in found):
            raise next(error for error in found if isinstance(error, BaseException))
        together = self._rollout.report(spec.name, reports, time.monotonic())
        return model_service_pb2.GetModelStatusResponse(model_version_status=together.values())

    async def close(self) -> None:
        """Close the connections; calls in flight are cancelled."""
        if self._looking is not None:
            self._looking.cancel()
        await asyncio.gather(*(replica.server.close() for replica in self._replicas.values()))

    async def _try(self, spec: ModelSpec, timeout: float, call: Call[T]) -> T:
        """One call, and one more where the server was not reached, or lost, before it answered."""
        if not self._replicas:
            timeout = await self._begun(timeout)
        deadline = time.monotonic() + timeout - min(timeout * _MARGIN, _MOST_MARGIN)
        replica = self._next(spec)
        self._budget.earn()
        try:
            return await replica.run(lambda server: call(server, deadline - time.monotonic()))
        except BackendUnavailableError:
            if not self._rotation or time.monotonic() >= deadline or not self._budget.spend():
                raise
        self._metrics.retried(replica.address)
        other = self._next(spec, replica)
        return await other.run(lambda server: call(server, deadline - time.monotonic()))

    def _next(self, spec: ModelSpec, failed: Replica | None = None) -> Replica:
        """The one that has least to do, of several the next in turn; rather another one than that which failed.

        Raises: BackendUnavailableError.
        """
        if len(self._rotation) == 1:
            return self._rotation[0]
        if not self._rotation:
            raise self._nobody()
        holding = self._rollout.holding(spec, self._rotation)
        others = [replica for replica in holding if replica is not failed] or [
            replica for replica in self._rotation if replica is not failed
        ]
        self._turn += failed is None
        start = self._turn % len(others)
        return min(others[start:] + others[:start], key=lambda replica: replica.in_flight)

    def _nobody(self) -> BackendUnavailableError:
        reasons = "; ".join(dict.fromkeys(replica.reason for replica in self._replicas.values()))
        return BackendUnavailableError(reasons or self._unknown or "the model servers have not been looked up yet")

    async def _begun(self, timeout: float) -> float:
        """Wait for the first look-up, once it has failed for none; the seconds that are left."""
        began = time.monotonic()
        if not self._unknown:
            await asyncio.wait({self.look_up()}, timeout=timeout)
        return timeout - (time.monotonic() - began)

    def look_up(self) -> asyncio.Task[None]:
        """Find out where they are, once at a time; those that are gone finish what they do."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_up())
        return self._looking

    async def _look_up(self) -> None:
        try:
            targets = await self._lookup()
        except BackendError as error:
            if not self._unknown:
                _log.warning("model servers not looked up", reason=str(error), known=len(self._replicas))
            self._unknown = str(error)
            return
        self._unknown = ""
        gone = [replica for target, replica in self._replicas.items() if target not in targets]
        known = self._replicas
        self._replicas = {
            target: known.get(target) or Replica(self._connect(target), self._moved, self._vary) for target in targets
        }
        for target in self._replicas.keys() - known.keys():
            self._metrics.met(self._replicas[target].address)
        self._rotate()
        for replica in gone:
            self._rollout.forget(replica)
            replica.server.retire()

    def _moved(self, replica: Replica) -> None:
        if not replica.in_rotation:
            if replica.met:
                self._metrics.ejected(replica.address)
            self._rollout.forget(replica)
        self._rotate()

    def _rotate(self) -> None:
        self._rotation = tuple(replica for replica in self._replicas.values() if replica.in_rotation)


_NO_MODEL = ModelSpec("")
