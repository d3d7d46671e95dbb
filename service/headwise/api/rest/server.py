"""uvicorn's server, as far as it is told when to stop, and how."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import uvicorn
from uvicorn.protocols.http.flow_control import CLOSE_HEADER


class HttpServer(uvicorn.Server):
    """Without signal handlers of its own: one place hears signals for all surfaces."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to that place."""
        yield

    def say_goodbye(self) -> None:
        """End every connection with its next answer, which says so: `Connection: close`."""
        for headers in (
            self.server_state.default_headers,
            self.config.encoded_headers,
        ):  # now, and from the next second on
            headers.append(CLOSE_HEADER)

    def cut(self) -> None:
        """End every connection now; what answers there hears that nobody waits for it."""
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()
