"""The addresses that the server listens on: `HOST:PORT`, where port 0 is any free one, and `unix:PATH`."""

import contextlib
import socket
from pathlib import Path

import grpc

from headwise.errors import ConfigurationError

_UNIX = "unix:"
_LONGEST_UNIX_PATH = 107


def listen(server: grpc.Server, address: str) -> str:
    """Bind the address and return it with the port that was chosen.

    Raises ConfigurationError if that fails.
    """
    if address.startswith(_UNIX):
        _clear_stale_socket(Path(address.removeprefix(_UNIX)))
        _bind(server, address)
        return address
    host, separator, port = address.rpartition(":")
    if not separator or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigurationError(f"--listen {address}: expected HOST:PORT or unix:PATH")
    _check_bindable(address, host.strip("[]"), int(port))
    return f"{host}:{_bind(server, address)}"


def remove_socket(address: str) -> None:
    """Remove the file of a Unix socket that is no longer listened on."""
    if address.startswith(_UNIX):
        Path(address.removeprefix(_UNIX)).unlink(missing_ok=True)


def remove_folder(address: str) -> None:
    """Remove the folder that a Unix socket was in, if nothing else is in it: for a parent that no longer can."""
    if address.startswith(_UNIX):
        with contextlib.suppress(OSError):
            Path(address.removeprefix(_UNIX)).parent.rmdir()


def _bind(server: grpc.Server, address: str) -> int:
    try:
        return int(server.add_insecure_port(address))
    except RuntimeError as error:
        raise ConfigurationError(f"--listen {address}: {error}") from error


def _check_bindable(address: str, host: str, port: int) -> None:
    """Try the address first, because gRPC logs its own lines and hides the reason; one of several will do."""
    reason = "no address"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigurationError(f"--listen {address}: {error.strerror}") from error
    for family, kind, protocol, _, target in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(target)
                return
        except OSError as error:
            reason = str(error.strerror)
    raise ConfigurationError(f"--listen {address}: {reason}")


def _clear_stale_socket(path: Path) -> None:
    """Remove the socket that a server left behind; one that is answered, or another kind of file, stays."""
    if len(str(path).encode()) > _LONGEST_UNIX_PATH:
        raise ConfigurationError(f"--listen unix:{path}: longer than {_LONGEST_UNIX_PATH} bytes")
    if not path.parent.is_dir():
        raise ConfigurationError(f"--listen unix:{path}: folder {path.parent} is missing")
    if not path.exists():
        return
    if not path.is_socket():
        raise ConfigurationError(f"--listen unix:{path}: is a file, not a socket")
    try:
        if _is_answered(path):
            raise ConfigurationError(f"--listen unix:{path}: another server listens there")
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"--listen unix:{path}: {error.strerror}") from error


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True
