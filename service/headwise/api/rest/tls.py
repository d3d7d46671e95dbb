"""HTTP over TLS, by the certificate that is true when a client connects."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from headwise.access.certificates import Certificate


def context(current: Callable[[], Certificate]) -> ssl.SSLContext:
    """A context whose every handshake goes on with that of the certificate now."""

    def take(connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        connection.context = current().context

    front = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    front.minimum_version = ssl.TLSVersion.TLSv1_2
    front.sni_callback = take  # called without a name, too
    return front
