"""gRPC over TLS, by the certificate that is true when a client connects."""

from __future__ import annotations

from collections.abc import Callable

import grpc

from headwise.access.certificates import Certificate


def credentials(current: Callable[[], Certificate]) -> grpc.ServerCredentials:
    """Asks for the certificate at every handshake; clients must show their own where there is a CA of theirs."""

    def configuration() -> grpc.ServerCertificateConfiguration:
        now = current()
        return grpc.ssl_server_certificate_configuration([(now.key, now.chain)], root_certificates=now.client_ca)

    return grpc.dynamic_ssl_server_credentials(
        configuration(), configuration, require_client_authentication=current().client_ca is not None
    )
