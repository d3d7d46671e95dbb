"""API keys: their text, what is kept of them, and whom they belong to."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, model_validator

from headwise.access.caller import Caller, Credentials
from headwise.access.rates import Rate
from headwise.access.scopes import Scope
from headwise.errors import UnauthenticatedError

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Of ids: 32 characters that nobody mistakes for another."""

_ID = r"[a-z0-9]{8}"
_TEXT = re.compile(rf"hw_(?P<id>{_ID})_[A-Za-z0-9_-]{{43}}", re.ASCII)
_NOBODY = "0" * 64
_UNKNOWN = "this key is not known: it is misspelt, or was revoked"


_T = TypeVar("_T", Scope, Rate)


def _reader(kind: type[_T]) -> Callable[[object], _T]:
    """Reads what a file has as text; a value that is one already stays."""

    def read(value: object) -> _T:
        if isinstance(value, kind):
            return value
        if not isinstance(value, str):
            raise ValueError("a text is expected")  # noqa: TRY004  # pydantic adds the place to a ValueError
        return kind.parse(value)

    return read


class Key(BaseModel):
    """A key as its file has it: not the key itself, but what it is known by, its hash or a certificate's name."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=rf"^{_ID}$")]
    name: Annotated[str, Field(min_length=1, max_length=128)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    certificate: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    scopes: Annotated[
        tuple[Annotated[Scope, PlainValidator(_reader(Scope)), PlainSerializer(str)], ...], Field(min_length=1)
    ]
    created: AwareDatetime
    expires: AwareDatetime | None = None
    rate: Annotated[Rate, PlainValidator(_reader(Rate)), PlainSerializer(str)] | None = None

    @model_validator(mode="after")
    def _is_known_by_one_thing(self) -> Key:
        if (self.sha256 is None) == (self.certificate is None):
            raise ValueError("either sha256 or certificate is expected")
        return self

    def expired(self, now: float) -> bool:
        """now: seconds since 1970."""
        return self.expires is not None and self.expires.timestamp() <= now


def make_text() -> tuple[str, str]:
    """A new key's id, and its text, which nobody can guess."""
    identity = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    return identity, f"hw_{identity}_{secrets.token_urlsafe(32)}"


def digest(text: str) -> str:
    """What is kept of a key's text: 256 random bits need no slow hash."""
    return hashlib.sha256(text.encode()).hexdigest()


class Ring:
    """All keys of one reading of their file.

    Raises: ValueError where an id or a certificate is there twice.
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = tuple(keys)
        self._by_id = {key.id: key for key in self.keys}
        self._by_certificate = {key.certificate: key for key in self.keys if key.certificate is not None}
        for what, kept in (("id", [key.id for key in self.keys]), ("certificate", [k.certificate for k in self.keys])):
            for name, count in Counter(kept).items():
                if name is not None and count > 1:
                    raise ValueError(f"{what} {name} is there twice")
        self._callers = {key.id: Caller(key.id, key.name, key.scopes, key.rate) for key in self.keys}
        self._verified: dict[str, Key] = {}

    def find(self, credentials: Credentials) -> Key:
        """The key that is shown, expired or not; a token counts before a certificate.

        Raises: UnauthenticatedError.
        """
        token, certificate = credentials
        if token is None:
            key = None if certificate is None else self._by_certificate.get(certificate)
            if key is None:
                raise UnauthenticatedError(
                    "a key is needed: send `Authorization: Bearer KEY` or `X-API-Key: KEY`"
                    if certificate is None
                    else f"no key belongs to the certificate {certificate!r}: send one as `Authorization: Bearer KEY`"
                )
            return key
        # Only texts that are keys are kept, so there are never more of them than keys.
        return self._verified.get(token) or self._verify(token)

    def caller(self, key: Key) -> Caller:
        """Whose key it is."""
        return self._callers[key.id]

    def _verify(self, token: str) -> Key:
        found = _TEXT.fullmatch(token)
        if found is None:
            raise UnauthenticatedError("this is no key: hw_ID_SECRET is expected, as `headwise keys create` prints it")
        key = self._by_id.get(found["id"])
        kept = _NOBODY if key is None or key.sha256 is None else key.sha256
        if not hmac.compare_digest(digest(token), kept) or key is None:
            raise UnauthenticatedError(_UNKNOWN)
        self._verified[token] = key
        return key


class KeyAuthenticator:
    """Knows callers by the keys of a ring, which is asked for anew each time. now: seconds since 1970."""

    def __init__(self, ring: Callable[[], Ring], now: Callable[[], float] = time.time) -> None:
        self._ring = ring
        self._now = now

    def caller(self, credentials: Credentials) -> Caller:
        """As `Authenticator` has it."""
        ring = self._ring()
        key = ring.find(credentials)
        if key.expires is not None and key.expired(self._now()):
            raise UnauthenticatedError(f"the key {key.id} expired at {key.expires.isoformat()}")
        return ring.caller(key)
