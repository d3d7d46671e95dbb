"""What a gateway says, and that it hears when to stop."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest

from headwise.lifecycle import AT_ONCE, WITH_DELAY, Announcement, Stop, stop_signal, warn
from headwise.settings import Settings

READY = Announcement(("serving tumor 1", "refused: [b]wine[/b] no card", "ready"), "curl -s host/v1/models/é")


def test_the_call_to_try_is_on_standard_output_alone(capsys: pytest.CaptureFixture[str]) -> None:
    READY.show()
    told, said = capsys.readouterr()
    assert told == f"{READY.call}\n"
    assert said.splitlines() == [f"headwise {line}" for line in READY.lines]


def test_an_announcement_travels_as_json() -> None:
    assert Announcement.from_json(READY.to_json()) == READY


def test_a_start_warns_of_what_it_does_not_read_and_of_what_is_open(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEADWISE_KEY_FILE", "a secret")
    monkeypatch.setenv("HEADWISE_SERVICE_HOST", "10.0.0.1")
    warn(Settings(http="0.0.0.0:1", allow_anonymous=True))
    said = capsys.readouterr().err
    assert "HEADWISE_KEY_FILE in the environment is no setting" in said
    assert "did you mean HEADWISE_KEYS_FILE?" in said
    assert "whoever reaches http 0.0.0.0:1 may call" in said
    assert "secret" not in said
    assert "SERVICE_HOST" not in said


@pytest.fixture
async def stop() -> AsyncIterator[Stop]:
    """For the signals of this process."""
    yield stop_signal()
    for each in (signal.SIGINT, signal.SIGTERM, AT_ONCE):
        asyncio.get_running_loop().remove_signal_handler(each)


def kill(*numbers: int) -> None:
    for number in numbers:
        os.kill(os.getpid(), number)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("number", "delays"), [(signal.SIGTERM, True), (signal.SIGINT, False), (AT_ONCE, False)], ids=str
)
async def test_a_signal_asks_for_a_stop_and_a_second_one_for_hurry(stop: Stop, number: int, delays: bool) -> None:
    kill(number)
    await asyncio.wait_for(stop.asked.wait(), 10)
    assert stop.delays is delays
    assert not stop.hurry.is_set()
    kill(number)
    await asyncio.wait_for(stop.hurry.wait(), 10)
    assert stop.delays is delays


@pytest.mark.anyio
@pytest.mark.parametrize(("first", "second"), [(WITH_DELAY, AT_ONCE), (AT_ONCE, WITH_DELAY)])
async def test_two_signals_at_once_are_two(stop: Stop, first: int, second: int) -> None:
    kill(first, second)
    await asyncio.wait_for(stop.hurry.wait(), 10)


@pytest.mark.anyio
async def test_who_is_in_a_hurry_does_not_wait() -> None:
    stop = Stop()
    began = time.monotonic()
    await stop.hurried_within(0.05)
    assert time.monotonic() - began > 0.04
    stop.ask(delays=True)
    waiting = asyncio.create_task(stop.hurried_within(60))
    await asyncio.sleep(0)
    stop.ask(delays=True)
    await asyncio.wait_for(waiting, 10)
    await asyncio.wait_for(stop.hurried_within(60), 10)
