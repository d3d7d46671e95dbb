"""How gRPC is told when the same call may succeed: as clients read it, and as gRPC's own retries do."""

from __future__ import annotations

import math

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from headwise.api.status import retry_after

DETAILS, PUSHBACK = "grpc-status-details-bin", "grpc-retry-pushback-ms"

_MOST = 2000
"""Bytes of the text, which then travels twice: headers have 8 KiB in all."""


def retrying(
    error: Exception, status: grpc.StatusCode, details: str
) -> tuple[str, tuple[tuple[str, str | bytes], ...]]:
    """The details of an error, and the trailing metadata that it has where time heals it."""
    seconds = retry_after(error)
    if seconds is None:
        return details, ()
    milliseconds = math.ceil(seconds * 1000)
    details = details.encode()[:_MOST].decode("utf-8", "ignore")
    info = Any()
    info.Pack(RetryInfo(retry_delay=Duration(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)))
    told = Status(code=status.value[0], message=details, details=[info])
    return details, ((DETAILS, told.SerializeToString()), (PUSHBACK, str(milliseconds)))
