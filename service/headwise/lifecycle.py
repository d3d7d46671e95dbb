"""What the processes of a gateway have in common: how they say what happens, and hear that they shall stop."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.markup import escape

from headwise.settings import Settings


def stop_signal() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set, for the running loop."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def say(text: str) -> None:
    """Tell whoever started the gateway, on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold]headwise[/] {escape(text)}")


def warn_if_open(settings: Settings) -> None:
    """Say where everybody may call."""
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
        print(self.call, flush=True)  # noqa: T201

    def to_json(self) -> str:
        """As `from_json` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Announcement:
        """What `to_json` wrote."""
        found = json.loads(text)
        return cls(tuple(found["lines"]), found["call"])
