"""One table: which HTTP status and gRPC code each error answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grpc import StatusCode

from headwise import errors
from headwise.errors import BackendRejectedError, HeadwiseError


@dataclass(frozen=True, slots=True)
class Status:
    """How an error looks on the wire. retry_after: the same call may succeed later, so say when."""

    http: int
    grpc: StatusCode
    retry_after: bool = False


INTERNAL = Status(500, StatusCode.INTERNAL)
"""Anything that is not a HeadwiseError: fixed text, details only in the log."""

_INVALID = Status(400, StatusCode.INVALID_ARGUMENT)
_NOT_FOUND = Status(404, StatusCode.NOT_FOUND)
_CONTRADICTION = Status(502, StatusCode.INTERNAL)

STATUSES: Mapping[type[errors.HeadwiseError], Status] = {
    errors.HeadwiseError: INTERNAL,
    errors.InvalidRequestError: _INVALID,
    errors.InvalidTensorError: _INVALID,
    errors.PayloadTooLargeError: Status(413, StatusCode.RESOURCE_EXHAUSTED),
    errors.UnsupportedMediaError: Status(415, StatusCode.INVALID_ARGUMENT),
    errors.RequestTimeoutError: Status(408, StatusCode.DEADLINE_EXCEEDED),
    errors.MethodNotAllowedError: Status(405, StatusCode.UNIMPLEMENTED),
    errors.UnauthenticatedError: Status(401, StatusCode.UNAUTHENTICATED),
    errors.PermissionDeniedError: Status(403, StatusCode.PERMISSION_DENIED),
    errors.RateLimitedError: Status(429, StatusCode.RESOURCE_EXHAUSTED, retry_after=True),
    errors.NotFoundError: _NOT_FOUND,
    errors.ModelNotFoundError: _NOT_FOUND,
    errors.VersionNotFoundError: _NOT_FOUND,
    errors.HeadNotFoundError: _NOT_FOUND,
    errors.ModelNotReadyError: Status(503, StatusCode.UNAVAILABLE, retry_after=True),
    errors.HeadConfigError: Status(503, StatusCode.FAILED_PRECONDITION),
    errors.GoldenRecordsError: Status(503, StatusCode.FAILED_PRECONDITION),
    errors.ModelLoadError: Status(503, StatusCode.FAILED_PRECONDITION),
    errors.OverloadedError: Status(503, StatusCode.UNAVAILABLE, retry_after=True),
    errors.UnsupportedError: Status(501, StatusCode.UNIMPLEMENTED),
    errors.BackendError: _CONTRADICTION,
    errors.BackendUnavailableError: Status(503, StatusCode.UNAVAILABLE, retry_after=True),
    errors.BackendTimeoutError: Status(504, StatusCode.DEADLINE_EXCEEDED),
    errors.BackendRejectedError: Status(502, StatusCode.FAILED_PRECONDITION),
    errors.BackendProtocolError: _CONTRADICTION,
    errors.HeadMismatchError: _CONTRADICTION,
    errors.OutputMissingError: _CONTRADICTION,
    errors.OutputShapeError: _CONTRADICTION,
    errors.OutputRangeError: _CONTRADICTION,
    errors.NonFiniteOutputError: _CONTRADICTION,
    # Raised offline, at start-up or while loading, where nobody waits for an answer.
    errors.CalibrationError: INTERNAL,
    errors.ConfigurationError: INTERNAL,
    errors.InvalidSettingsError: INTERNAL,
    errors.UnreadableModelError: INTERNAL,
    errors.InvalidCardError: INTERNAL,
    errors.UnsupportedHeadError: INTERNAL,
    errors.CalibrationMismatchError: INTERNAL,
}

HTTP_OF_GRPC: Mapping[str, int] = {
    "OK": 200,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
"""TensorFlow Serving's own map, for its own calls: gRPC status name to HTTP status."""

_RETRY_AFTER = 1.0

INTERNAL_TEXT = "an internal error; the log has the details under this request id"


def status_of(error: BaseException) -> Status:
    """The status of an error: its own, else that of the nearest class above it."""
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), INTERNAL)


_HEALED_BY_TIME = frozenset({"RESOURCE_EXHAUSTED", "UNAVAILABLE"})
"""Statuses of a model server that is busy."""


def retry_after(error: BaseException) -> float | None:
    """Seconds after which the same call may succeed, the error's own or a constant; None where time heals nothing."""
    refused_for_now = isinstance(error, BackendRejectedError) and error.status in _HEALED_BY_TIME
    if not status_of(error).retry_after and not refused_for_now:
        return None
    known = error.retry_after if isinstance(error, HeadwiseError) else None
    return _RETRY_AFTER if known is None else known


def shown(error: BaseException) -> tuple[Status, str, str]:
    """Status, code and text for the caller; an error that nobody expected keeps its details to itself."""
    status = status_of(error)
    if isinstance(error, HeadwiseError) and status is not INTERNAL:
        # A name that JSON wrote as a lone surrogate is no text that can be sent.
        return status, error.code, str(error).encode("utf-8", "replace").decode()
    return status, HeadwiseError.code, INTERNAL_TEXT
