"""headwise.v1.ClassificationService: the same answers as HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.json_format import ParseDict

from headwise.api import listing
from headwise.api.answer_sizes import of_rows
from headwise.api.grpc import classify_request, classify_response
from headwise.api.grpc.calls import Call, Calls, read, refusal, written
from headwise.api.grpc.tensors import arrays
from headwise.api.inputs import fitted
from headwise.api.status import retry_after
from headwise.gateway import Gateway
from headwise.telemetry import trail
from headwise.v1 import classification_service_pb2 as v1

NAME = "headwise.v1.ClassificationService"

READ_AHEAD = 8
"""Requests of one stream that are worked on at a time; the next ones wait in the caller's own flow control."""


class ClassificationServicer:
    """Answers by the head card of the version that answered."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def handler(self, calls: Calls) -> grpc.GenericRpcHandler:
        """The service's methods."""
        methods = {
            "Classify": calls.unary(f"{NAME}/Classify", self.classify),
            "ClassifyStream": calls.stream(f"{NAME}/ClassifyStream", self.classify_stream),
            "GetHead": calls.unary(f"{NAME}/GetHead", self.get_head),
            "ListModels": calls.unary(f"{NAME}/ListModels", self.list_models),
        }
        return grpc.method_handlers_generic_handler(NAME, methods)

    async def classify(self, data: bytes, call: Call) -> bytes:
        """One batch."""
        return written(await self._classified(read(v1.ClassifyRequest, data), call))

    async def classify_stream(self, requests: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        """Batch after batch, answers in the order of the requests."""
        started: asyncio.Queue[asyncio.Task[v1.ClassifyStreamResponse] | None] = asyncio.Queue()
        room, working = asyncio.Semaphore(READ_AHEAD), set[asyncio.Task[Any]]()

        async def start_all() -> None:
            try:
                await room.acquire()
                async for data in requests:
                    task = asyncio.create_task(self._item(data, read(v1.ClassifyStreamRequest, data), call))
                    working.add(task)
                    started.put_nowait(task)
                    await room.acquire()
            finally:
                started.put_nowait(None)

        reading = asyncio.create_task(start_all())
        working.add(reading)
        try:
            while (answer := await started.get()) is not None:
                yield written(await answer)
                working.discard(answer)
                room.release()
            await reading
        finally:
            for task in working:
                task.cancel()

    async def get_head(self, data: bytes, call: Call) -> bytes:
        """The card as it stands in its file."""
        spec = classify_request.model_spec(read(v1.GetHeadRequest, data).model)
        call.model = spec.name
        model = await self._gateway.resolve(spec, timeout=call.timeout)
        card = model.valid_card()
        answer = v1.GetHeadResponse(
            model_name=model.name,
            model_version=model.version,
            card=card.document.decode("utf-8"),
            card_digest=card.digest,
        )
        return written(answer)

    async def list_models(self, data: bytes, _: Call) -> bytes:
        """Every model."""
        read(v1.ListModelsRequest, data)
        listed = listing.models(self._gateway.shown)
        return written(ParseDict(listed, v1.ListModelsResponse()))

    async def _classified(self, request: v1.ClassifyRequest, call: Call) -> v1.ClassifyResponse:
        call.model = request.model.name
        answer = await self._gateway.classify(
            classify_request.model_spec(request.model),
            lambda signature: fitted(arrays(request.inputs), signature),
            classify_request.request_options(request.options),
            timeout=call.timeout,
        )
        with call.writing(of_rows(answer)):
            return classify_response.classification(answer, call.request_id, frozenset(request.options.include))

    async def _item(self, data: bytes, item: v1.ClassifyStreamRequest, call: Call) -> v1.ClassifyStreamResponse:
        """The answer to one request of a stream, or its error."""
        try:
            call.count()
            with call.reading(data):
                return v1.ClassifyStreamResponse(id=item.id, response=await self._classified(item.request, call))
        except Exception as error:  # noqa: BLE001  # one request's error does not end the stream
            call.log_if_unexpected(error)
            status, code, message = refusal(error)
            trail.failed(code)
            told = v1.Error(
                status=status.value[0], code=code, message=message, retryable=retry_after(error) is not None
            )
            return v1.ClassifyStreamResponse(id=item.id, error=told)
