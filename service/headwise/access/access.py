"""Whether a call may be made: asked where it comes in, and again where it is answered."""

from __future__ import annotations

from contextvars import ContextVar

from headwise.access.caller import Authenticator, Caller, Credentials
from headwise.access.rates import Limiter
from headwise.access.scopes import Verb
from headwise.errors import PermissionDeniedError, RateLimitedError, UnauthenticatedError
from headwise.telemetry import trail

_NOTHING = Credentials()
_SHOWN: ContextVar[Credentials] = ContextVar("headwise.credentials", default=_NOTHING)
"""What the call at hand shows. Not who it is: a key that is revoked ends in the middle of a stream."""


class Access:
    """The one who asks. Calls of a boundary that forgets to `authenticate` have no credentials: nothing is allowed."""

    def __init__(self, authenticator: Authenticator, limiter: Limiter) -> None:
        self._authenticator = authenticator
        self._limiter = limiter

    def show(self, credentials: Credentials) -> None:
        """What the call at hand shows, be it worth something or not: for what is open to all."""
        _SHOWN.set(credentials)

    def authenticate(self, credentials: Credentials) -> None:
        """Let a call in that shows these, if they are somebody's, and count it.

        Raises: UnauthenticatedError, RateLimitedError.
        """
        _SHOWN.set(credentials)
        self.count()

    def count(self) -> None:
        """One more request of the call at hand; raises as `authenticate` does."""
        caller = self._caller()
        if caller.rate is None:
            return
        seconds = self._limiter.wait(caller.id, caller.rate)
        if seconds > 0:
            raise RateLimitedError(
                f"the key {caller.name!r} may ask {caller.rate}: wait {seconds:.3g} s", retry_after=seconds
            )

    def check(self, verb: Verb, model: str) -> None:
        """Raises: UnauthenticatedError, PermissionDeniedError; of what is there and what is not they tell alike."""
        caller = self._caller()
        if not caller.may(verb, model):
            raise PermissionDeniedError(
                f"the key {caller.name!r} has no scope for {verb} of model {model!r}; it has "
                + ", ".join(map(str, caller.scopes))
            )

    def may(self, verb: Verb, model: str) -> bool:
        """As `check`, for what is left out rather than refused."""
        try:
            return self._caller().may(verb, model)
        except UnauthenticatedError:
            return False

    def _caller(self) -> Caller:
        caller = self._authenticator.caller(_SHOWN.get())
        told = trail.current()
        if told is not None:
            told.caller = caller.id
        return caller
