"""What the processes of a gateway have in common: how they say what happens, and hear that they shall stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from dataclasses import asdict, dataclass
from functools import partial

from rich.console import Console
from rich.markup import escape

from headwise.settings import Settings, unread

WITH_DELAY, AT_ONCE = signal.SIGTERM, signal.SIGUSR1
"""What a parent tells its workers. AT_ONCE is SIGINT to one that listens, and ends one that does not yet, silently."""


class Stop:
    """That a gateway shall stop: asked by the first signal, in a hurry by the second.

    delays: whether others need time to hear of it, who still send requests.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.hurry = asyncio.Event()
        self.delays = False

    def ask(self, *, delays: bool) -> None:
        """Stop; whoever asks again cannot wait."""
        if self.asked.is_set():
            self.hurry.set()
        else:
            self.delays = delays
            self.asked.set()

    async def hurried_within(self, seconds: float) -> None:
        """Wait so long, or until it is in a hurry."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.hurry.wait(), seconds)


def stop_signal() -> Stop:
    """What SIGTERM asks, and SIGINT without delay, of the running loop."""
    stop = Stop()
    for number, delays in ((WITH_DELAY, True), (AT_ONCE, False), (signal.SIGINT, False)):
        asyncio.get_running_loop().add_signal_handler(number, partial(stop.ask, delays=delays))
    return stop


def say(text: str) -> None:
    """Tell whoever started the gateway, on standard error."""
    with contextlib.suppress(OSError):  # a disk that is full must not end it
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold]headwise[/] {escape(text)}")


def warn(settings: Settings) -> None:
    """Say where everybody may call, and what of the environment is not read."""
    for name, meant in unread():
        hint = "docs/settings.md lists them" if meant is None else f"did you mean {meant}?"
        say(f"WARNING: {name} in the environment is no setting, so it is not read: {hint}")
    if settings.open_to_all:
        say(f"WARNING: whoever reaches {' or '.join(settings.open_to_all)} may call (allow_anonymous)")


@dataclass(frozen=True, slots=True)
class Announcement:
    """That a gateway is ready: what it serves, line by line, and a call to try."""

    lines: tuple[str, ...]
    call: str

    def show(self) -> None:
        """Say it; the call is for pasting: no markup, on standard output."""
        for line in self.lines:
            say(line)
        with contextlib.suppress(OSError):  # nobody reads it, or the disk is full
            print(self.call, flush=True)  # noqa: T201

    def to_json(self) -> str:
        """As `from_json` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Announcement:
        """What `to_json` wrote."""
        found = json.loads(text)
        return cls(tuple(found["lines"]), found["call"])
