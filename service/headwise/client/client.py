"""HeadwiseClient and AsyncHeadwiseClient: the same flows, carried out by a thread or by an event loop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, Unpack

from headwise.client.calls import Input, Inputs, Options, Question, named, question
from headwise.client.predictions import Predictions, joined
from headwise.client.security import Target, Tls, target
from headwise.client.steps import AsyncTransport, Flow, Retries, Send, Transport, run, run_async
from headwise.errors import ConfigurationError, InvalidRequestError

if TYPE_CHECKING:
    from headwise.client.wires.grpc import GrpcWire
    from headwise.client.wires.http import HttpWire

TIMEOUT, BATCH_SIZE = 30.0, 1024


class _Flows:
    """What every client can be asked, as flows."""

    def __init__(self, url: str, *, api_key: str | None, timeout: float, tls: Tls | None) -> None:
        self._target = target(url)
        self._wire = _wire(self._target)
        self._tls = tls or Tls()
        if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
            raise ConfigurationError("the API key has characters that no header can carry")
        self._headers = {} if api_key is None else {"authorization": f"Bearer {api_key}"}
        self._timeout = timeout
        self._retries = Retries()

    def _classify(self, model: str, inputs: Inputs, options: Options) -> Flow[Predictions]:
        asked = question(model, inputs, options)
        rows = len(next(iter(asked.arrays.values()), ()))
        size = options.get("batch_size", BATCH_SIZE)
        if size < 1:
            raise InvalidRequestError(f"batch_size is {size}: it must be at least 1")
        deadline = self._deadline(options.get("timeout"))
        parts: list[Predictions] = []
        with _bar(rows, options.get("progress", False)) as advance:
            for start in range(0, max(rows, 1), size):
                # All batches go to the version that answered the first one.
                version = parts[0].version if parts else asked.version
                part = _batch(asked, slice(start, start + size), version, None if parts else asked.label)
                parts.append((yield from self._one(part, deadline)))
                advance(min(size, rows - start))
        return joined(parts)

    def _one(self, asked: Question, deadline: float) -> Flow[Predictions]:
        reply = yield from self._retries.sending(lambda left: self._wire.classify(asked, self._headers, left), deadline)
        return self._wire.read_predictions(reply)

    def _head(self, model: str, version: int | None, label: str | None) -> Flow[dict[str, Any]]:
        name, version = named(model, version, label)

        def request(left: float) -> Send:
            return self._wire.head(name, version, label, self._headers, left)

        return self._wire.read_head((yield from self._retries.sending(request, self._deadline(None))))

    def _inputs(self, model: str) -> Flow[dict[str, Input]]:
        name, version = named(model)

        def request(left: float) -> Send:
            return self._wire.inputs(name, version, self._headers, left)

        return self._wire.read_inputs((yield from self._retries.sending(request, self._deadline(None))))

    def _models(self) -> Flow[list[dict[str, Any]]]:
        def request(left: float) -> Send:
            return self._wire.models(self._headers, left)

        return self._wire.read_models((yield from self._retries.sending(request, self._deadline(None))))

    def _deadline(self, timeout: float | None) -> float:
        return time.monotonic() + (self._timeout if timeout is None else timeout)


class HeadwiseClient(_Flows):
    """Asks a gateway, blocking; may be shared by threads.

    url: http://HOST:PORT or https://, or grpc:// or grpcs:// with the gRPC port. timeout: seconds a call may take with
    its retries. api_key: sent as a bearer token. tls: certificates other than the system's.

    Raises, as every call does: HeadwiseError, the gateway's own by its code; BackendUnavailableError where nobody
    answers, BackendTimeoutError where it takes too long.
    """

    def __init__(
        self, url: str, *, api_key: str | None = None, timeout: float = TIMEOUT, tls: Tls | None = None
    ) -> None:
        super().__init__(url, api_key=api_key, timeout=timeout, tls=tls)
        self._transport = _transport(self._target, self._tls)

    def classify(self, model: str, inputs: Inputs, **options: Unpack[Options]) -> Predictions:
        """Calibrated probabilities and labels. model: NAME or NAME/VERSION; options: see Options."""
        return run(self._classify(model, inputs, options), self._transport)

    def head(self, model: str, *, version: int | None = None, label: str | None = None) -> dict[str, Any]:
        """The head card."""
        return run(self._head(model, version, label), self._transport)

    def inputs(self, model: str) -> dict[str, Input]:
        """What a model takes, by input name. model: NAME or NAME/VERSION."""
        return run(self._inputs(model), self._transport)

    def models(self) -> list[dict[str, Any]]:
        """Every model with its versions, their states and heads."""
        return run(self._models(), self._transport)

    def close(self) -> None:
        """Let go of connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncHeadwiseClient(_Flows):
    """Asks a gateway in an event loop; as HeadwiseClient."""

    def __init__(
        self, url: str, *, api_key: str | None = None, timeout: float = TIMEOUT, tls: Tls | None = None
    ) -> None:
        super().__init__(url, api_key=api_key, timeout=timeout, tls=tls)
        self._transport = _async_transport(self._target, self._tls)

    async def classify(self, model: str, inputs: Inputs, **options: Unpack[Options]) -> Predictions:
        """Calibrated probabilities and labels. model: NAME or NAME/VERSION; options: see Options."""
        return await run_async(self._classify(model, inputs, options), self._transport)

    async def head(self, model: str, *, version: int | None = None, label: str | None = None) -> dict[str, Any]:
        """The head card."""
        return await run_async(self._head(model, version, label), self._transport)

    async def inputs(self, model: str) -> dict[str, Input]:
        """What a model takes, by input name. model: NAME or NAME/VERSION."""
        return await run_async(self._inputs(model), self._transport)

    async def models(self) -> list[dict[str, Any]]:
        """Every model with its versions, their states and heads."""
        return await run_async(self._models(), self._transport)

    async def close(self) -> None:
        """Let go of connections."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _batch(asked: Question, rows: slice, version: int | None, label: str | None) -> Question:
    arrays = {name: array[rows] for name, array in asked.arrays.items()}
    return Question(asked.model, arrays, version, label, asked.signature_name, asked.options)


def _wire(to: Target) -> HttpWire | GrpcWire:
    """Only what is used is loaded: gRPC costs time and memory."""
    if to.protocol == "grpc":
        from headwise.client.wires.grpc import GrpcWire

        return GrpcWire()
    from headwise.client.wires.http import HttpWire

    return HttpWire()


def _transport(to: Target, tls: Tls) -> Transport:
    if to.protocol == "grpc":
        from headwise.client.transports.grpc import GrpcTransport

        return GrpcTransport(to, tls)
    from headwise.client.transports.http import HttpTransport

    return HttpTransport(to, tls)


def _async_transport(to: Target, tls: Tls) -> AsyncTransport:
    if to.protocol == "grpc":
        from headwise.client.transports.grpc import AsyncGrpcTransport

        return AsyncGrpcTransport(to, tls)
    from headwise.client.transports.http import AsyncHttpTransport

    return AsyncHttpTransport(to, tls)


@contextmanager
def _bar(rows: int, shown: bool) -> Iterator[Any]:
    """A progress bar on standard error, moved by a number of rows."""
    if not shown:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("rows", total=rows)
        yield lambda count: progress.advance(task, count)
