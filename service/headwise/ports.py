"""The ports: one that a single process listens on, one that several share, and one that is held for those several."""

from __future__ import annotations

import errno
import socket

from headwise.errors import ConfigurationError

_BACKLOG = 2048
_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Of the addresses of one name some may be none of this machine: `localhost` without IPv6."""


def listen(host: str, port: int, *, shared: bool = False, surface: str = "http") -> socket.socket:
    """A socket that listens for HTTP. shared: one of several on its port; the kernel spreads connections over them.

    surface: "http" or "admin", for messages.

    Raises: ConfigurationError.
    """
    try:
        listener = socket.create_server((host, port), family=_family(host), backlog=_BACKLOG, reuse_port=shared)
    except OSError as error:
        raise _refused(surface, host, port, error) from error
    # Connections have it from their listener: asyncio sets it only where uvloop is not, and not always.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def shown(host: str, port: int) -> str:
    """HOST:PORT, an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class HeldPort:
    """A port of this process, which never listens on it, for those of its user that share it; port 0 takes a free one.

    surface: "http", "grpc" or "admin", for messages. Raises: ConfigurationError if another program has it.
    """

    def __init__(self, surface: str, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._sockets: list[socket.socket] = []
        missing: OSError | None = None
        try:
            # gRPC listens on every address of a name, uvicorn's socket on the one that `listen` takes.
            kind = _family(host) if surface != "grpc" else socket.AF_UNSPEC
            for family, *_, address in socket.getaddrinfo(host, port, kind, socket.SOCK_STREAM):
                try:
                    self._sockets.append(_bound(family, (address[0], self.port, *address[2:])))
                except OSError as error:
                    if error.errno not in _NOT_HERE:
                        raise
                    missing = error
                else:
                    self.port = self._sockets[-1].getsockname()[1]
            if missing is not None and not self._sockets:
                raise missing
        except OSError as error:
            self.close()
            raise _refused(surface, host, port, error) from error

    def __str__(self) -> str:
        return shown(self.host, self.port)

    def __enter__(self) -> HeldPort:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        for held in self._sockets:
            held.close()


def _bound(family: socket.AddressFamily, address: tuple[str | int, ...]) -> socket.socket:
    """Bound as one that shares with nobody, so that a port in use is refused, and made to share only then."""
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # past connections that are not quite over
        found.bind(address)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        found.close()
        raise
    return found


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _refused(surface: str, host: str, port: int, error: OSError) -> ConfigurationError:
    name = {"http": "HTTP", "grpc": "gRPC", "admin": "the admin port"}[surface]
    how = "by the setting admin" if surface == "admin" else f"with --{surface}"
    return ConfigurationError(
        f"{name} cannot listen on {shown(host, port)}: {error.strerror}; choose another address {how}"
    )
