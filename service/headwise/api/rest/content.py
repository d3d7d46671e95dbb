"""What the headers of a request say of its body."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache

from headwise.errors import UnsupportedMediaError

GZIP = 16 + zlib.MAX_WBITS
"""The window bits with which zlib reads gzip."""


class RequestHeaders:
    """The headers of an ASGI scope; of several with one name the first counts."""

    __slots__ = ("_first",)

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self._first = dict(reversed(raw))

    def get(self, name: str, default: str = "") -> str:
        """A header by its name in lower case."""
        found = self._first.get(name.encode())
        return default if found is None else found.decode("latin-1")

    def find(self, name: bytes) -> str | None:
        """A header by its name in lower case, None where there is none."""
        found = self._first.get(name)
        return None if found is None else found.decode("latin-1")

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return _media_type(self._first.get(b"content-type", b""))

    @property
    def is_gzip(self) -> bool:
        """Whether the body is packed.

        Raises: UnsupportedMediaError for any other encoding.
        """
        if b"content-encoding" not in self._first:
            return False
        encoding = self.get("content-encoding").strip().lower()
        if encoding not in ("identity", "gzip", ""):
            raise UnsupportedMediaError(f"Content-Encoding {encoding!r} is not read: send gzip or nothing")
        return encoding == "gzip"


@lru_cache(maxsize=64)
def _media_type(content_type: bytes) -> str:
    return content_type.decode("latin-1").partition(";")[0].strip().lower()
