"""One of the model servers that answer alike: its connection, and whether it is in rotation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import PurePath
from typing import TypeVar

import structlog

from headwise.backends.circuit import Circuit
from headwise.backends.tfserving import TFServingBackend
from headwise.errors import BackendError, BackendTimeoutError, BackendUnavailableError
from headwise.repository.model_spec import ModelSpec

_log = structlog.get_logger(__name__)

_CHECK_TIMEOUT = 1.0
_INTERVAL, _INTERVAL_OUT = 1.0, 0.5
"""Seconds between checks of a server in rotation, and of one that is ejected."""
_SPREAD = 0.2
"""The part of an interval that chance adds or takes: many gateways that lose a server together come back one by one."""
_ANY = ModelSpec("headwise-check")
"""Any name will do: that there is no such model is an answer, too."""

T = TypeVar("T")


class Replica:
    """moved: told when it leaves the rotation or comes back. `met`: it has answered before.

    failure: the last of a call. vary: a number between two, by chance.
    """

    def __init__(
        self,
        server: TFServingBackend,
        moved: Callable[[Replica], None],
        vary: Callable[[float, float], float],
    ) -> None:
        self.server = server
        self._circuit = Circuit()
        self._moved = moved
        self._vary = vary
        self._doubt = asyncio.Event()
        self._heard = 0.0
        self.met = False
        self.in_flight = 0
        self.failure = ""

    @property
    def address(self) -> str:
        """Its target as metrics tell it: the embedded model server's socket has another folder each time."""
        scheme, _, path = self.server.target.rpartition(":")
        return f"unix:{PurePath(path).name}" if scheme == "unix" else self.server.target

    @property
    def in_rotation(self) -> bool:
        """Whether it is asked."""
        return not self._circuit.is_open

    @property
    def reason(self) -> str:
        """The last of what went wrong."""
        return self._circuit.reason or self.failure

    async def run(self, call: Callable[[TFServingBackend], Awaitable[T]]) -> T:
        """Make a call, and learn from how it ends."""
        self.in_flight += 1
        try:
            answer = await call(self.server)
        except (BackendUnavailableError, BackendTimeoutError) as error:
            self.failure = str(error)
            self._doubt.set()
            raise
        except BackendError:
            self._answered()
            raise
        finally:
            self.in_flight -= 1
        self._answered()
        return answer

    async def watch(self) -> None:
        """Check it again and again, at once when a call gives reason to."""
        while True:
            try:
                answered = await self.check()
            except Exception as error:  # noqa: BLE001  # whatever it is, it must not be the last check
                _log.exception("model server not checked", target=self.server.target, reason=type(error).__name__)
                answered = True
            if answered or not self.in_rotation:
                await self._pause()

    async def check(self) -> bool:
        """Ask for a sign of life; whether one came, be it the answer of a call."""
        sent = time.monotonic()
        try:
            await self.server.status(_ANY, timeout=_CHECK_TIMEOUT)
        except BackendTimeoutError as error:
            if self._heard >= sent:
                return True
            self._note(self._circuit.check_unanswered, str(error), time.monotonic())
            # It hangs, or this connection has no room, or leads nowhere: another one tells.
            self.server.reconnect()
            return False
        except BackendUnavailableError as error:
            self._note(self._circuit.check_refused, str(error), time.monotonic())
            return False
        except BackendError:  # a refusal, or nonsense, is a sign of life
            pass
        self._answered()
        return True

    async def _pause(self) -> None:
        """Until the next check is due, or a call gives reason to."""
        self._doubt.clear()
        seconds = _INTERVAL if self.in_rotation else _INTERVAL_OUT
        with suppress(TimeoutError):
            async with asyncio.timeout(self._vary(seconds * (1 - _SPREAD), seconds * (1 + _SPREAD))):
                await self._doubt.wait()
                await asyncio.sleep(_INTERVAL_OUT / 10)  # whatever else fails in this moment is no news

    def _answered(self) -> None:
        self.met = True
        self._heard = time.monotonic()
        self._note(self._circuit.answered, self._heard)

    def _note(self, event: Callable[..., None], *arguments: object) -> None:
        was = self.in_rotation
        event(*arguments)
        if was and not self.in_rotation:
            if self.met:  # until then it is only starting
                _log.warning("model server ejected", target=self.server.target, reason=self.reason)
            self._moved(self)
        elif self.in_rotation and not was:
            _log.info("model server in rotation", target=self.server.target)
            self._moved(self)
