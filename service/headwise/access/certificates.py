"""The server's certificate: read, and tried before anybody is shown it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from headwise.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files that fit each other, and a context that has them. client_ca: whose certificates clients must show."""

    chain: bytes
    key: bytes
    client_ca: bytes | None
    context: ssl.SSLContext


def read_certificate(chain: Path, key: Path, client_ca: Path | None = None) -> Certificate:
    """Raises: ConfigurationError if a file cannot be read, or the key is none of the certificate."""
    files = (chain, key) if client_ca is None else (chain, key, client_ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        before = [file.read_bytes() for file in files]
        # Without one a key that has a passphrase would ask the terminal for it.
        context.load_cert_chain(chain, key, password="")  # nosec B106
        if client_ca is not None:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(client_ca)
        unchanged = before == [file.read_bytes() for file in files]
    except OSError as error:  # ssl's errors are some, too
        names = ", ".join(map(str, files))
        raise ConfigurationError(f"the certificate ({names}) cannot be used: {error.strerror or error}") from error
    if not unchanged:
        raise ConfigurationError(f"{chain} changed while it was read")
    return Certificate(before[0], before[1], before[2] if client_ca else None, context)
