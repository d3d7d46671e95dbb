"""The parent: one announcement for all workers, and only where a port can be shared."""

import asyncio
from pathlib import Path

import pytest

from headwise.errors import ConfigurationError
from headwise.lifecycle import Announcement
from headwise.settings import Settings
from headwise.workers.duty import Duty
from headwise.workers.parent import _announce, check_platform


@pytest.mark.anyio
async def test_it_is_ready_when_all_workers_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    duties = [
        Duty(settings=Settings(), number=number, parent=7, folder=tmp_path, starting=False) for number in (1, 2, 3)
    ]
    announcing = asyncio.create_task(_announce(duties))
    said = ""
    for duty in reversed(duties):
        await asyncio.sleep(0.2)
        said += capsys.readouterr().err
        assert said == ""
        duty.report(Announcement((f"ready, says {duty.number}",), "curl"))
    while not said:
        await asyncio.sleep(0.01)
        said += capsys.readouterr().err
    duties[0].report(Announcement(("ready again",), "curl"))
    await asyncio.sleep(0.2)
    assert not announcing.done(), "a task that ends would end the gateway"
    announcing.cancel()
    assert said + capsys.readouterr().err == "headwise ready, says 1\n"


def test_where_ports_cannot_be_shared_several_workers_are_refused() -> None:
    check_platform("linux")
    with pytest.raises(ConfigurationError, match=r"setting workers: .*darwin; leave it at 1"):
        check_platform("darwin")
