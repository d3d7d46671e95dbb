"""Keys for tests: a ring in memory whose clock and keys a test moves, and the Access that asks it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from headwise.access.access import Access
from headwise.access.keys import Key, KeyAuthenticator, Ring, digest, make_text
from headwise.access.rates import LocalLimiter, Rate
from headwise.access.scopes import Scope

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def make_key(
    *scopes: str,
    name: str = "test",
    expires: datetime | None = None,
    rate: str | None = None,
    certificate: str | None = None,
) -> tuple[Key, str]:
    """A key, and the text that its owner has."""
    identity, text = make_text()
    key = Key(
        id=identity,
        name=name,
        sha256=None if certificate else digest(text),
        certificate=certificate,
        scopes=tuple(map(Scope.parse, scopes)),
        created=NOW - timedelta(days=1),
        expires=expires,
        rate=None if rate is None else Rate.parse(rate),
    )
    return key, text


@dataclass
class Keys:
    """The ring that is asked now, by the clock that is right now."""

    ring: Ring = field(default_factory=lambda: Ring(()))
    now: datetime = NOW

    def add(self, *scopes: str, expires: datetime | None = None, rate: str | None = None, certificate: str = "") -> str:
        """One more key; its text."""
        key, text = make_key(*scopes, expires=expires, rate=rate, certificate=certificate or None)
        self.ring = Ring((*self.ring.keys, key))
        return text

    def revoke(self, text: str) -> None:
        """As `headwise keys revoke` and the reload behind it."""
        self.ring = Ring(key for key in self.ring.keys if key.id != text.split("_")[1])

    def _seconds(self) -> float:
        return self.now.timestamp()

    def access(self) -> Access:
        """Who is asked."""
        return Access(KeyAuthenticator(lambda: self.ring, self._seconds), LocalLimiter())


def bearer(text: str) -> dict[str, str]:
    """The header that shows a key, over HTTP and gRPC alike."""
    return {"authorization": f"Bearer {text}"}
