"""What a gateway says, and that it hears when to stop."""

import asyncio
import os
import signal

import pytest

from headwise.lifecycle import Announcement, stop_signal

READY = Announcement(("serving tumor 1", "refused: [b]wine[/b] no card", "ready"), "curl -s host/v1/models/é")


def test_the_call_to_try_is_on_standard_output_alone(capsys: pytest.CaptureFixture[str]) -> None:
    READY.show()
    told, said = capsys.readouterr()
    assert told == f"{READY.call}\n"
    assert said.splitlines() == [f"headwise {line}" for line in READY.lines]


def test_an_announcement_travels_as_json() -> None:
    assert Announcement.from_json(READY.to_json()) == READY


@pytest.mark.anyio
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_sets_the_event(number: int) -> None:
    stop = stop_signal()
    os.kill(os.getpid(), number)
    await asyncio.wait_for(stop.wait(), 10)
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(each)
