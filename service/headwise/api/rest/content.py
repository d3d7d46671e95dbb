"""What the headers of a request say of its body."""

from __future__ import annotations

import zlib

from starlette.datastructures import Headers

from headwise.errors import UnsupportedMediaError

GZIP = 16 + zlib.MAX_WBITS
"""The window bits with which zlib reads gzip."""


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
