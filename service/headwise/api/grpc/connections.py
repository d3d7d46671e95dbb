"""How long a gRPC connection may live that is dead, idle, or old: gRPC's own options, of which it has many."""

from __future__ import annotations

from collections.abc import Sequence

_IDLE = 300.0
"""Seconds without a call; as the usual load balancers."""
_AGE, _GRACE = 3600.0, 3600.0
"""Seconds after which a client is told to come anew, and after which calls under way end.

A message that never ends is ended by nothing else while its client answers pings: gRPC waits for it before any of our
code runs, and knows no time for it but the client's own deadline.
"""
_STREAMS = 1000
"""Calls under way on one connection; what comes beyond waits at the client."""
_CLIENTS_PING = 10.0
"""Seconds between pings that a client may send; gRPC's own five minutes would end those that look after themselves."""


def options(*, header_timeout: float, keepalive: float = 60.0) -> Sequence[tuple[str, int]]:
    """For a server. header_timeout: seconds until a new connection speaks HTTP/2; keepalive: between pings to a client.

    keepalive_timeout alone never notices a peer that hangs: pings must not be bounded, and have a timeout of their own.
    """
    return (
        ("grpc.server_handshake_timeout_ms", _ms(header_timeout)),
        ("grpc.keepalive_time_ms", _ms(keepalive)),
        ("grpc.keepalive_timeout_ms", _ms(keepalive / 3)),
        ("grpc.http2.ping_timeout_ms", _ms(keepalive / 3)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _ms(_CLIENTS_PING)),
        ("grpc.max_connection_idle_ms", _ms(_IDLE)),
        ("grpc.max_connection_age_ms", _ms(_AGE)),
        ("grpc.max_connection_age_grace_ms", _ms(_GRACE)),
        ("grpc.max_concurrent_streams", _STREAMS),
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
