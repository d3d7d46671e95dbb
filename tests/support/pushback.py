"""When a refusal over gRPC says that the same call may succeed."""

from __future__ import annotations

import math

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status


def pushback(error: grpc.aio.AioRpcError) -> float | None:
    """Seconds after which to come again, told twice; None where it is told nowhere."""
    trailers = dict(error.trailing_metadata() or ())
    assert ("grpc-retry-pushback-ms" in trailers) == ("grpc-status-details-bin" in trailers)
    if "grpc-retry-pushback-ms" not in trailers:
        return None
    status, info = Status.FromString(bytes(trailers["grpc-status-details-bin"])), RetryInfo()
    assert status.code == error.code().value[0]
    assert any(one.Unpack(info) for one in status.details)
    seconds: float = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
    assert math.isclose(float(trailers["grpc-retry-pushback-ms"]) / 1000, seconds)
    return seconds
