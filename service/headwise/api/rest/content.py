"""What the headers of a request say of its body."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol

from headwise.errors import UnsupportedMediaError

GZIP = 16 + zlib.MAX_WBITS
"""The window bits with which zlib reads gzip."""


class Headers(Protocol):
    """What is asked of a request's headers; Starlette's are such, too."""

    def get(self, name: str, default: str = "", /) -> str:
        """A header by its name in lower case; the first where there are several."""


class RawHeaders:
    """The headers of an ASGI scope, decoded as they are asked for."""

    __slots__ = ("_first",)

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self._first = dict(reversed(raw))

    def get(self, name: str, default: str = "", /) -> str:
        """See `Headers`."""
        found = self._first.get(name.encode())
        return default if found is None else found.decode("latin-1")


def media_type(headers: Headers) -> str:
    """The content type without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def is_gzip(headers: Headers) -> bool:
    """Whether the body is packed.

    Raises: UnsupportedMediaError for any other encoding.
    """
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise UnsupportedMediaError(f"Content-Encoding {encoding!r} is not read: send gzip or nothing")
    return encoding == "gzip"
