"""The map from errors to statuses is total, and says what the design says."""

import inspect

import pytest
from grpc import StatusCode

from headwise import errors
from headwise.api.status import HTTP_OF_GRPC, INTERNAL, STATUSES, Status, retry_after, status_of

TREE = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.HeadwiseError)}


def test_every_error_of_the_tree_has_a_status_of_its_own() -> None:
    assert STATUSES.keys() == TREE


@pytest.mark.parametrize(
    ("kind", "http", "code"),
    [
        (errors.InvalidTensorError, 400, StatusCode.INVALID_ARGUMENT),
        (errors.PayloadTooLargeError, 413, StatusCode.RESOURCE_EXHAUSTED),
        (errors.UnsupportedMediaError, 415, StatusCode.INVALID_ARGUMENT),
        (errors.UnauthenticatedError, 401, StatusCode.UNAUTHENTICATED),
        (errors.PermissionDeniedError, 403, StatusCode.PERMISSION_DENIED),
        (errors.RateLimitedError, 429, StatusCode.RESOURCE_EXHAUSTED),
        (errors.HeadNotFoundError, 404, StatusCode.NOT_FOUND),
        (errors.ModelNotReadyError, 503, StatusCode.UNAVAILABLE),
        (errors.HeadConfigError, 503, StatusCode.FAILED_PRECONDITION),
        (errors.UnsupportedError, 501, StatusCode.UNIMPLEMENTED),
        (errors.BackendTimeoutError, 504, StatusCode.DEADLINE_EXCEEDED),
        (errors.BackendProtocolError, 502, StatusCode.INTERNAL),
        (errors.OutputRangeError, 502, StatusCode.INTERNAL),
    ],
)
def test_statuses_are_those_of_the_design(kind: type[errors.HeadwiseError], http: int, code: StatusCode) -> None:
    assert (STATUSES[kind].http, STATUSES[kind].grpc) == (http, code)


def test_only_what_time_heals_asks_to_retry() -> None:
    retried = {kind for kind, status in STATUSES.items() if status.retry_after}
    assert retried >= {errors.ModelNotReadyError, errors.BackendUnavailableError}
    assert all(STATUSES[kind].http in (429, 503) for kind in retried)
    assert errors.HeadConfigError not in retried


def test_an_error_that_knows_when_to_come_back_is_believed_and_any_other_gets_a_second() -> None:
    assert retry_after(errors.RateLimitedError("x", retry_after=0.25)) == 0.25
    assert retry_after(errors.RateLimitedError("x")) == retry_after(errors.BackendUnavailableError("x")) == 1
    for error in (errors.HeadConfigError("x"), errors.UnauthenticatedError("x"), ZeroDivisionError()):
        assert retry_after(error) is None


def test_a_class_that_is_not_listed_answers_as_the_nearest_class_above_it() -> None:
    class OwnError(errors.InvalidTensorError):
        pass

    assert status_of(OwnError("x")) == Status(400, StatusCode.INVALID_ARGUMENT)


def test_anything_else_is_internal() -> None:
    assert status_of(ZeroDivisionError()) == INTERNAL == Status(500, StatusCode.INTERNAL)


def test_every_grpc_code_has_an_http_status() -> None:
    assert HTTP_OF_GRPC.keys() == {code.name for code in StatusCode}
