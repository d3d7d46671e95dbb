"""Answers other than OK, with TensorFlow Serving's codes and words."""

from typing import Any

import grpc
import tensorflow as tf

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_LONGEST_MESSAGE = 1024


class StatusError(Exception):
    """A call or a load that ends with `code`; `message` is what TensorFlow Serving says in this case."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message

    @property
    def details(self) -> str:
        """The message as it travels: TensorFlow Serving cuts it at 1024 characters."""
        cut = len(self.message) > _LONGEST_MESSAGE
        return self.message[:_LONGEST_MESSAGE] + "...TRUNCATED" if cut else self.message


def invalid_argument(message: str) -> StatusError:
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> StatusError:
    return StatusError(grpc.StatusCode.NOT_FOUND, message)


def failed_precondition(message: str) -> StatusError:
    return StatusError(grpc.StatusCode.FAILED_PRECONDITION, message)


def from_tensorflow(error: Any) -> StatusError:
    """Translate what TensorFlow's runtime raised.

    A kernel's message that quotes bytes which are not UTF-8 reaches Python as a UnicodeDecodeError, its code
    lost; only a caller's own bytes are quoted, so it was an invalid argument.
    """
    if isinstance(error, UnicodeDecodeError):
        return invalid_argument(bytes(error.object).decode("latin-1"))
    return StatusError(_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN), error.message)


RUNTIME_ERRORS = (tf.errors.OpError, UnicodeDecodeError)
