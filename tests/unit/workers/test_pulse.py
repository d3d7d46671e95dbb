"""A worker that stands still is ended, and says where; one that moves, or has not begun to, is left alone."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from headwise.supervisor import SupervisedProcess
from headwise.workers.pulse import Pulse, Ward


class Process(SupervisedProcess):
    """One whose id a test sets, and which notes what it is told."""

    def __init__(self) -> None:
        super().__init__([])
        self.id: int | None = 1
        self.told: list[int] = []

    @property
    def pid(self) -> int | None:
        return self.id

    def tell(self, number: int) -> None:
        self.told.append(number)


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def pulse(tmp_path: Path) -> Pulse:
    return Pulse(tmp_path / "1.pulse")


def look(ward: Ward, times: int, pulse: Pulse | None = None) -> None:
    for _ in range(times):
        if pulse is not None:
            pulse.beat()
        ward.look()


def test_a_worker_that_moves_is_left_alone(process: Process, pulse: Pulse) -> None:
    look(Ward(1, process, pulse), 1000, pulse)
    assert process.told == []


def test_a_worker_that_stands_still_is_ended_after_30_looks(process: Process, pulse: Pulse) -> None:
    ward = Ward(7, process, pulse)
    look(ward, 2, pulse)
    look(ward, 30)
    assert process.told == []
    with capture_logs() as log:
        look(ward, 1)
        assert process.told == [signal.SIGABRT]
        look(ward, 1)
        assert process.told == [signal.SIGABRT, signal.SIGKILL], "one that is stopped hears nothing else"
    assert [(line["event"], line["worker"]) for line in log] == [("worker does not move, ending it", 7)]


def test_one_beat_in_time_is_enough(process: Process, pulse: Pulse) -> None:
    ward = Ward(1, process, pulse)
    for _ in range(5):
        look(ward, 2, pulse)
        look(ward, 30)
    assert process.told == []


def test_one_that_starts_or_restarts_has_its_time(process: Process, pulse: Pulse) -> None:
    ward = Ward(1, process, pulse)
    look(ward, 100)
    look(ward, 2, pulse)
    look(ward, 20)
    process.id = None
    look(ward, 1)
    process.id = 2
    look(ward, 100)
    assert process.told == []


STANDS_STILL = """
import faulthandler, sys, time
from pathlib import Path
from headwise.workers.pulse import Pulse
faulthandler.enable()
Pulse(Path(sys.argv[1])).beat()
def here(): time.sleep(60)
here()
"""


@pytest.mark.anyio
async def test_a_real_one_says_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "1.pulse"
    pulse = Pulse(file)
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", STANDS_STILL, str(file), stderr=subprocess.PIPE)
    async with asyncio.timeout(20):
        while pulse.count() == 0:  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.01)
    child.send_signal(signal.SIGABRT)
    _, said = await child.communicate()
    assert child.returncode == -signal.SIGABRT
    assert b"in here" in said
