"""headwise.v1.ClassificationService."""

from __future__ import annotations

import time
from typing import NoReturn

import grpc
import structlog

from headwise.api.grpc import classify_request, classify_response
from headwise.api.grpc.tensors import arrays
from headwise.api.request_id import HEADER, request_id
from headwise.api.status import INTERNAL, shown, status_of
from headwise.gateway import Gateway
from headwise.telemetry.metrics import OTHER, Metrics
from headwise.v1 import classification_service_pb2 as v1

NAME = "headwise.v1.ClassificationService"
ERROR_CODE_KEY = "headwise-error-code"

_log = structlog.get_logger(__name__)


class ClassificationServicer:
    """Classify, with the same answers as HTTP."""

    def __init__(self, gateway: Gateway, metrics: Metrics, *, timeout: float) -> None:
        self._gateway = gateway
        self._metrics = metrics
        self._timeout = timeout

    def handler(self) -> grpc.GenericRpcHandler:
        """The service's methods."""
        classify = grpc.unary_unary_rpc_method_handler(
            self.classify,
            request_deserializer=v1.ClassifyRequest.FromString,
            response_serializer=v1.ClassifyResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(NAME, {"Classify": classify})

    async def classify(self, request: v1.ClassifyRequest, context: grpc.aio.ServicerContext) -> v1.ClassifyResponse:
        """Classify one batch."""
        metadata = dict(context.invocation_metadata() or ())
        identity = request_id(str(metadata.get(HEADER, "")))
        # What remains when the caller goes away: every other end sets its own.
        started, status = time.perf_counter(), grpc.StatusCode.CANCELLED
        try:
            answer = await self._gateway.classify(
                classify_request.model_spec(request.model),
                lambda _: arrays(request.inputs),
                classify_request.request_options(request.options),
                timeout=min(self._timeout, context.time_remaining() or self._timeout),
            )
            response = classify_response.classification(answer, identity, frozenset(request.options.include))
            status = grpc.StatusCode.OK
        except Exception as error:  # noqa: BLE001  # the boundary: every error becomes a status
            status = status_of(error).grpc
            await _abort(context, error, identity)
        else:
            return response
        finally:
            self._record(request.model.name, identity, status, time.perf_counter() - started)

    def _record(self, model: str, identity: str, status: grpc.StatusCode, seconds: float) -> None:
        known = model in self._gateway.repository.snapshot.models
        self._metrics.observe(
            surface="grpc",
            verb="classify",
            model=model if known else OTHER,
            status=status.name,
            seconds=seconds,
        )
        _log.info(
            "request",
            request_id=identity,
            method=f"{NAME}/Classify",
            status=status.name,
            milliseconds=round(seconds * 1000, 2),
        )


async def _abort(context: grpc.aio.ServicerContext, error: Exception, identity: str) -> NoReturn:
    """End the call with the error's status and its code; only the log learns of an internal one."""
    status, code, details = shown(error)
    if status is INTERNAL:
        _log.exception("internal error", request_id=identity)
    await context.abort(status.grpc, details, ((ERROR_CODE_KEY, code), (HEADER, identity)))
    raise AssertionError("abort raises")
