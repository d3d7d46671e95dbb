"""Who calls, and what shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from headwise.access.rates import Rate
from headwise.access.scopes import Scope, Verb


class Credentials(NamedTuple):
    """What a call shows. token: of its headers. certificate: the common name of the client's, once it is verified."""

    token: str | None = None
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody known. id: whose rate it is."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    rate: Rate | None = None

    def may(self, verb: Verb, model: str) -> bool:
        """Whether a scope grants the verb for the model."""
        return any(scope.covers(verb, model) for scope in self.scopes)


class Authenticator(Protocol):
    """Knows callers by what they show: by keys today; tokens that somebody else signs have their room here."""

    def caller(self, credentials: Credentials) -> Caller:
        """Raises: UnauthenticatedError."""


def presented(authorization: str | None, api_key: str | None, certificate: str | None = None) -> Credentials:
    """What the headers `Authorization: Bearer TOKEN` or `X-API-Key: TOKEN` show, the first before the second."""
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return Credentials(token.strip(), certificate)
    return Credentials(api_key, certificate)
