"""Who calls whom, and how the connection is protected."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from headwise.errors import ConfigurationError

SCHEMES: Mapping[str, tuple[str, bool]] = {
    "http": ("http", False),
    "https": ("http", True),
    "grpc": ("grpc", False),
    "grpcs": ("grpc", True),
}
"""Scheme of a URL to protocol, and whether it is encrypted."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a gateway listens. protocol: http or grpc. host: HOST:PORT, as the URL has it. path: before HTTP's own."""

    protocol: str
    host: str
    encrypted: bool
    path: str = ""

    @property
    def url(self) -> str:
        """Of HTTP."""
        return f"http{'s' if self.encrypted else ''}://{self.host}{self.path}"


@dataclass(frozen=True, slots=True)
class Tls:
    """ca: certificates that are trusted instead of the system's. certificate, key: the client's own. PEM files."""

    ca: Path | str | None = None
    certificate: Path | str | None = None
    key: Path | str | None = None

    def context(self) -> ssl.SSLContext:
        """For HTTP.

        Raises: ConfigurationError.
        """
        try:
            context = ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
            if self.certificate is not None:
                context.load_cert_chain(str(self.certificate), None if self.key is None else str(self.key))
        except OSError as error:
            raise ConfigurationError(f"the certificates cannot be read: {error}") from error
        return context

    def pem(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """ca, key and certificate, for gRPC.

        Raises: ConfigurationError.
        """
        try:
            ca, key, certificate = (
                None if file is None else Path(file).read_bytes() for file in (self.ca, self.key, self.certificate)
            )
        except OSError as error:
            raise ConfigurationError(f"the certificates cannot be read: {error}") from error
        return ca, key, certificate


def target(url: str) -> Target:
    """Where a URL points: http://, https://, grpc:// or grpcs://, HOST:PORT; without scheme HTTP.

    Raises: ConfigurationError.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in SCHEMES:
        raise ConfigurationError(f"{url}: the scheme must be one of {', '.join(SCHEMES)}")
    protocol, encrypted = SCHEMES[parts.scheme]
    path = parts.path.rstrip("/")
    if not parts.hostname or parts.query or "@" in parts.netloc or (path and protocol == "grpc"):
        raise ConfigurationError(f"{url}: SCHEME://HOST:PORT is expected")
    try:
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"{url}: {error}") from error
    if protocol == "grpc" and port is None:
        raise ConfigurationError(f"{url}: gRPC has no port of its own; the gateway's default is 8081")
    return Target(protocol, parts.netloc, encrypted, path)
