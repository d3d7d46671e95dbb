"""grpc.health.v1, whose watches end with the server."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2


class Health(health.aio.HealthServicer):  # type: ignore[misc]  # the library has no types
    """The library's, whose watches go on for ever: each would hold a server that stops for as long as it may be."""

    def __init__(self) -> None:
        super().__init__()
        self._ended = False
        self._watching: set[asyncio.Task[None]] = set()

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: N802  # gRPC's name
        """Say how a service is, now and when it changes."""
        watching = asyncio.create_task(super().Watch(request, context))
        self._watching.add(watching)
        try:
            if not self._ended:
                await asyncio.wait([watching])
        finally:
            watching.cancel()
            self._watching.discard(watching)
        if self._ended:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the gateway stops")
        await watching

    def end(self) -> None:
        """End every watch, and those that still come."""
        self._ended = True
        for watching in self._watching:
            watching.cancel()
