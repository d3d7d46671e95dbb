"""Every error that headwise raises on purpose.

HeadwiseError
+ InvalidRequestError
  - InvalidTensorError            name, dtype, shape, ragged or non-finite input
  - PayloadTooLargeError
  - UnsupportedMediaError
  - RequestTimeoutError           the body did not come in time
+ MethodNotAllowedError           over HTTP: the path takes others
+ UnauthenticatedError            no credential, or one that is not known
+ PermissionDeniedError
+ RateLimitedError                the caller's own quota; time heals it
+ NotFoundError
  - ModelNotFoundError
  - VersionNotFoundError
  - HeadNotFoundError
+ ModelNotReadyError              loading; time heals it
  - HeadConfigError               the card is refused; time does not heal it
  - GoldenRecordsError            the version does not answer its golden records; time does not heal it
  - ModelLoadError                the model server could not load it; time does not heal it
+ OverloadedError                 the service sheds load; time heals it
+ UnsupportedError
+ BackendError
  - BackendUnavailableError
  - BackendTimeoutError
  - BackendRejectedError
  - BackendProtocolError
+ HeadMismatchError               the output contradicts its card
  - OutputMissingError
  - OutputShapeError
  - OutputRangeError
  - NonFiniteOutputError
+ CalibrationError                offline: the data cannot calibrate this head
+ ConfigurationError              start-up only
  - InvalidSettingsError
+ InvalidCardError                at load; becomes HeadConfigError for callers
  - UnsupportedHeadError          a refused cell of HEAD_TABLE
  - CalibrationMismatchError      fitted on another model
+ UnreadableModelError            at load; becomes HeadConfigError for callers

HTTP statuses and gRPC codes live in `api/status.py`, never here.
`code` is the stable name that clients match on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class HeadwiseError(Exception):
    """Root of the tree; its text is fit to be shown to the caller."""

    code: ClassVar[str] = "internal"
    retry_after: float | None = None
    """Seconds after which the same request may succeed, of an error that knows better than `api/status.py`."""


class InvalidRequestError(HeadwiseError):
    """The request cannot be answered as it stands."""

    code = "invalid-request"


class InvalidTensorError(InvalidRequestError):
    """An input's name, dtype or shape does not fit the signature, or it is ragged or not finite."""

    code = "invalid-tensor"


class PayloadTooLargeError(InvalidRequestError):
    """The body exceeds a limit, or the number of its rows."""

    code = "payload-too-large"


class UnsupportedMediaError(InvalidRequestError):
    """The body's encoding is not one that headwise reads."""

    code = "unsupported-media"


class RequestTimeoutError(InvalidRequestError):
    """The body did not come in time."""

    code = "request-timeout"


class MethodNotAllowedError(HeadwiseError):
    """The path takes other methods. allowed: which."""

    code = "method-not-allowed"

    def __init__(self, message: str, allowed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.allowed = allowed


class UnauthenticatedError(HeadwiseError):
    """The request shows no credential, or one that is not known, was revoked or has expired."""

    code = "unauthenticated"


class PermissionDeniedError(HeadwiseError):
    """The caller is known, and no scope of it grants what was asked."""

    code = "permission-denied"


class RateLimitedError(HeadwiseError):
    """The caller asks more often than its key may; `retry_after` seconds heal it."""

    code = "rate-limited"

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class NotFoundError(HeadwiseError):
    """What the request names is not there."""

    code = "not-found"


class ModelNotFoundError(NotFoundError):
    """No model of this name."""

    code = "model-not-found"


class VersionNotFoundError(NotFoundError):
    """The model has no such version, or no version under such a label."""

    code = "version-not-found"


class HeadNotFoundError(NotFoundError):
    """The model version has no card, or its card does not describe this signature."""

    code = "head-not-found"


class ModelNotReadyError(HeadwiseError):
    """No version of the model can answer yet, or it is not known yet whether there is one."""

    code = "model-not-ready"


class HeadConfigError(ModelNotReadyError):
    """The model's card was refused: retrying does not help."""

    code = "head-config"


class GoldenRecordsError(ModelNotReadyError):
    """The version does not answer its golden records as they say; retrying does not help."""

    code = "golden-records"


class ModelLoadError(ModelNotReadyError):
    """The model server could not load the version: retrying does not help."""

    code = "load-failed"


class OverloadedError(HeadwiseError):
    """More is asked than can be answered in time, or than there is memory for."""

    code = "overloaded"


class UnsupportedError(HeadwiseError):
    """A part of a protocol that headwise does not offer."""

    code = "unsupported"


class BackendError(HeadwiseError):
    """The model server did not do what was asked."""

    code = "backend"


class BackendUnavailableError(BackendError):
    """The model server cannot be reached or refuses work; time heals it."""

    code = "backend-unavailable"


class BackendTimeoutError(BackendError):
    """The model server did not answer before the deadline."""

    code = "backend-timeout"


class BackendRejectedError(BackendError):
    """The model server refused or failed the call.

    `status` is the gRPC status name it answered with, `detail` its own text.
    """

    code = "backend-rejected"

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(f"the model server answered {status}: {detail}")
        self.status = status
        self.detail = detail


class BackendProtocolError(BackendError):
    """The model server's answer cannot be read."""

    code = "backend-protocol"


class HeadMismatchError(HeadwiseError):
    """The model's output contradicts its card."""

    code = "head-mismatch"


class OutputMissingError(HeadMismatchError):
    """The card names an output that the model server did not return."""

    code = "output-missing"


class OutputShapeError(HeadMismatchError):
    """The output's shape or dtype does not fit the head."""

    code = "output-shape"


class OutputRangeError(HeadMismatchError):
    """A declared probability is none: outside [0, 1], or a row that does not sum to 1."""

    code = "output-range"


class NonFiniteOutputError(HeadMismatchError):
    """The output holds NaN or infinity."""

    code = "non-finite-output"


class CalibrationError(HeadwiseError):
    """The data or the request cannot calibrate or tune this head; the text says what is wrong and what is expected."""

    code = "calibration"


class ConfigurationError(HeadwiseError):
    """headwise cannot start as it was told to."""

    code = "configuration"


class InvalidSettingsError(ConfigurationError):
    """A setting has a value that it cannot have."""

    code = "invalid-settings"


class InvalidCardError(HeadwiseError, ValueError):
    """A head card is refused. Also a ValueError, so that a reader of JSON can add the key to the reason."""

    code = "invalid-card"


class UnsupportedHeadError(InvalidCardError):
    """Task, units and activation do not make a head; the text says what to write instead."""

    code = "unsupported-head"


class CalibrationMismatchError(InvalidCardError):
    """The calibration was fitted on another model."""

    code = "calibration-mismatch"


class UnreadableModelError(HeadwiseError):
    """A folder is no SavedModel that can be served; the text names the file and the reason."""

    code = "unreadable-model"
