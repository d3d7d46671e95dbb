"""A model server over real gRPC that answers what a test tells it to, method by method, and remembers its calls."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType

import grpc
from google.protobuf.message import DecodeError

from headwise.backends.base import CLASSIFY, METADATA, MULTI_INFERENCE, PREDICT, REGRESS, STATUS
from headwise.backends.in_memory import InMemoryBackend
from headwise.errors import BackendRejectedError
from support.faulty_answers import Behaviour, StatusError, honest
from support.loop_thread import LoopThread

METHODS = (PREDICT, CLASSIFY, REGRESS, MULTI_INFERENCE, METADATA, STATUS)
_UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


@dataclass
class Seen:
    """A call. time_remaining: seconds of its deadline when it came. ended: how, once it has; took: seconds until then.

    ended is "answered", a status's name, or "cancelled": its caller went away, or its deadline passed.
    """

    method: str
    request: bytes
    metadata: dict[str, str | bytes]
    time_remaining: float | None
    ended: str | None = None
    took: float | None = None


@dataclass
class FaultyBackend:
    """Serves the models in `memory` honestly, but where `behave` says otherwise; `address` once it runs.

    By `with` it runs in a thread of its own, by `async with` in the present loop. bind: HOST:PORT or unix:PATH.
    Publish models by `support.in_memory_gateway.Models(folder, backend.memory)`: the same call writes the folder
    that the gateway reads.
    """

    bind: str = "127.0.0.1:0"
    memory: InMemoryBackend = field(default_factory=lambda: InMemoryBackend({}))
    options: Sequence[tuple[str, int]] = ()
    address: str = ""
    calls: list[Seen] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    _behaviours: dict[str, Behaviour] = field(default_factory=dict)
    _thread: LoopThread = field(default_factory=LoopThread)

    def behave(self, method: str, behaviour: Behaviour = honest) -> None:
        """Answer a method so from now on; calls that are under way go on as they began."""
        self._behaviours[method] = behaviour

    def seen(self, method: str) -> list[Seen]:
        """The calls of a method so far."""
        return [call for call in self.calls if call.method == method]

    def __enter__(self) -> FaultyBackend:
        self._thread.__enter__()
        self._thread.run(self.start())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.run(self.stop())
        self._thread.__exit__(kind, error, at)

    async def __aenter__(self) -> FaultyBackend:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen."""
        self._server = grpc.aio.server(options=[*_UNLIMITED, *self.options])
        for service in ("PredictionService", "ModelService"):
            methods = {
                method.partition("/")[2]: grpc.unary_unary_rpc_method_handler(self._handler(method))
                for method in METHODS
                if method.startswith(service)
            }
            name = f"tensorflow.serving.{service}"
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
        port = self._server.add_insecure_port(self.bind)
        self.address = self.bind if self.bind.startswith("unix:") else f"{self.bind.rpartition(':')[0]}:{port}"
        await self._server.start()

    async def stop(self, grace: float = 0) -> None:
        """Listen no more; calls under way have so many seconds."""
        await self._server.stop(grace)

    def _handler(self, method: str) -> Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]:
        async def handle(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            metadata = dict(context.invocation_metadata() or ())
            call = Seen(method, request, metadata, context.time_remaining())
            self.calls.append(call)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            started, call_ended = time.perf_counter(), "cancelled"
            try:
                data = await self._behaviours.get(method, honest)(lambda: self._honest(method, request))
                call_ended = "answered"
                return data
            except StatusError as refused:
                call_ended = refused.status.name
                await context.abort(refused.status, refused.text)
                raise AssertionError("abort raises") from refused
            finally:
                self.in_flight -= 1
                call.ended, call.took = call_ended, time.perf_counter() - started

        return handle

    async def _honest(self, method: str, request: bytes) -> bytes:
        try:
            return await self.memory.forward(method, request, timeout=0)
        except BackendRejectedError as error:
            raise StatusError(grpc.StatusCode[error.status], error.detail) from error
        except DecodeError as error:
            raise StatusError(grpc.StatusCode.INTERNAL, "the request cannot be read") from error
