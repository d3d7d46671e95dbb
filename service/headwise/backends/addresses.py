"""Where the model servers are: a list, or all addresses of a name, looked up again and again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from headwise.errors import BackendUnavailableError

DNS = "dns:///"

Lookup = Callable[[], Awaitable[tuple[str, ...]]]
"""The targets of the moment; raises BackendUnavailableError where they cannot be told."""

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""The addresses of a host; raises OSError."""


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """By the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def lookup(backend: str, resolver: Resolve = resolve) -> Lookup:
    """The targets that a setting means: HOST:PORT[,HOST:PORT...], unix:PATH, or dns:///NAME:PORT."""
    if not backend.startswith(DNS):
        targets = tuple(dict.fromkeys(backend.split(",")))

        async def listed() -> tuple[str, ...]:
            return targets

        return listed
    host, _, port = backend.removeprefix(DNS).rpartition(":")

    async def resolved() -> tuple[str, ...]:
        try:
            found = await resolver(host, int(port))
        except (OSError, UnicodeError) as error:
            raise BackendUnavailableError(f"the name of the model servers, {host}, has no address: {error}") from error
        return tuple(f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address in sorted(found))

    return resolved
