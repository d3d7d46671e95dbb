"""Where the model servers are: a list, or all addresses of a name, looked up again and again."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from headwise.errors import BackendUnavailableError

DNS = "dns:///"

Lookup = Callable[[], Awaitable[tuple[str, ...]]]
"""The targets of the moment; raises BackendUnavailableError where they cannot be told."""

Resolve = Callable[[str, int], Coroutine[Any, Any, tuple[str, ...]]]
"""The addresses of a host; raises OSError."""

_PATIENCE = 2.0
"""Seconds that a look-up waits for the resolver; what it answers later counts at the next one."""


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """By the system's resolver, in a thread that nobody waits for: it may hang for half a minute, at the exit too."""
    answer: Future[tuple[str, ...]] = Future()
    answer.set_running_or_notify_cancel()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.set_result(tuple(dict.fromkeys(str(address[0]) for *_, address in found)))
        except BaseException as error:  # noqa: BLE001  # whatever it is: one that is not told would be waited for for ever
            answer.set_exception(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    return await asyncio.wrap_future(answer)


def lookup(backend: str, resolver: Resolve = resolve, patience: float = _PATIENCE) -> Lookup:
    """The targets that a setting means: HOST:PORT[,HOST:PORT...], unix:PATH, or dns:///NAME:PORT."""
    if not backend.startswith(DNS):
        targets = tuple(dict.fromkeys(backend.split(",")))

        async def listed() -> tuple[str, ...]:
            return targets

        return listed
    host, _, port = backend.removeprefix(DNS).rpartition(":")
    asking: asyncio.Task[tuple[str, ...]] | None = None

    async def resolved() -> tuple[str, ...]:
        nonlocal asking
        asked = asking = asking or asyncio.create_task(resolver(host, int(port)))
        await asyncio.wait({asked}, timeout=patience)
        failure: BaseException | None
        if asked.done():
            asking, failure = None, asked.exception()
        else:  # the next look-up waits for it, too: a resolver that hangs is not asked twice
            failure = TimeoutError(f"not looked up within {patience:g} s")
        if failure is not None:
            raise BackendUnavailableError(
                f"the name of the model servers, {host}, has no address: {failure}"
            ) from failure
        found = asked.result()
        return tuple(f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address in sorted(found))

    return resolved
