"""The model server's process: restarted when it ends, stopped with its parent, and nothing left behind."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from headwise.confinement import Confinement
from headwise.errors import ConfigurationError
from headwise.settings import Settings
from headwise.supervisor import (
    EmbeddedModelServer,
    SupervisedProcess,
    embedded_model_server,
    private_folder,
)

pytestmark = pytest.mark.anyio

NOTE = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).open('a').write(f'{os.getpid()}\\n');"
WAIT = "import signal; signal.pause()"


DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"


def child(file: Path, then: str, first: str = "", **options: Any) -> SupervisedProcess:
    """A process that notes its id in a file."""
    return SupervisedProcess([sys.executable, "-S", "-c", first + NOTE + then, str(file)], **options)


def pids(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


def entries(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "the condition did not come true"
        await asyncio.sleep(0.01)


async def stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_child_that_ends_is_started_again(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    process = child(file, "sys.exit(3)", name="worker 7")
    with capture_logs() as log:
        task = asyncio.create_task(process.run())
        await until(lambda: len(pids(file)) == 2)
        await stopped(task)
    first, second = pids(file)
    assert first != second
    assert log[0]["event"] == "worker 7 ended, restarting"
    assert (log[0]["exit_code"], log[0]["log_level"]) == (3, "error")


class Time:
    """A clock that only pauses move; a test's task ends after so many."""

    def __init__(self, pauses: int, *, lived: float = 0.0) -> None:
        self.now, self.slept = 0.0, list[float]()
        self._left, self._lived = pauses, lived

    def clock(self) -> float:
        """Each look at it is later by what a child lives."""
        self.now += self._lived
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self._left -= 1
        if self._left == 0:
            raise asyncio.CancelledError


async def restarts(time: Time, *command: str) -> list[Any]:
    """What the log tells of a child that never lives."""
    process = SupervisedProcess(command, name="worker 1", sleep=time.sleep, clock=time.clock)
    with capture_logs() as log, pytest.raises(asyncio.CancelledError):
        await process.run()
    return log


async def test_a_child_that_ends_at_once_is_started_less_and_less_often(capfd: pytest.CaptureFixture[str]) -> None:
    time = Time(9)
    log = await restarts(time, "false")
    assert time.slept == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0]
    assert [(line["event"], line["exit_code"]) for line in log] == [("worker 1 ended, restarting", 1)] * 9
    assert [line["in_seconds"] for line in log] == time.slept


async def test_a_child_that_lived_is_started_again_soon() -> None:
    time = Time(4, lived=31.0)
    await restarts(time, "false")
    assert time.slept == [0.2, 0.2, 0.2, 0.2]


async def test_a_child_that_the_system_has_no_room_for_is_tried_again(tmp_path: Path) -> None:
    time = Time(3)
    log = await restarts(time, str(tmp_path / "missing"))
    assert time.slept == [0.2, 0.4, 0.8]
    assert {line["event"] for line in log} == {"worker 1 cannot be started, trying again"}
    assert "No such file" in log[0]["reason"]


async def test_a_running_child_can_be_told_something(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    process = child(file, WAIT, first="import signal, sys; signal.signal(signal.SIGUSR1, lambda *_: sys.exit(9));")
    process.tell(signal.SIGKILL)  # before it runs there is nobody to hear
    with capture_logs() as log:
        task = asyncio.create_task(process.run())
        await until(lambda: pids(file))
        process.tell(signal.SIGUSR1)
        await until(lambda: len(pids(file)) == 2)
        await stopped(task)
    assert log[0]["exit_code"] == 9


async def test_the_last_signal_can_be_another(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    process = child(file, WAIT, first=DEAF, grace=20)
    process.farewell = signal.SIGINT
    task = asyncio.create_task(process.run())
    await until(lambda: pids(file))
    async with asyncio.timeout(10):
        await stopped(task)


async def test_a_stop_ends_the_child_and_waits_for_it(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    process = child(file, WAIT)
    assert process.pid is None
    task = asyncio.create_task(process.run())
    await until(lambda: pids(file))
    assert [process.pid] == pids(file)
    assert os.getsid(pids(file)[0]) != os.getsid(0), "Ctrl-C must not reach it"
    await stopped(task)
    assert process.pid is None
    assert not alive(pids(file)[0])


async def test_a_child_that_ignores_the_stop_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    task = asyncio.create_task(child(file, WAIT, first=DEAF, grace=0.05).run())
    await until(lambda: pids(file))
    await stopped(task)
    assert not alive(pids(file)[0])


async def test_the_embedded_server_leaves_no_folder(tmp_path: Path) -> None:
    server = EmbeddedModelServer(["--no-such-flag"], tmp_path / "folder", Confinement())
    socket = Path(server.target.removeprefix("unix:"))
    assert socket.parent == tmp_path / "folder"
    assert entries(tmp_path) == [], "nothing is there before it runs, so a failed start leaves nothing"
    task = asyncio.create_task(server.run())
    await until(lambda: entries(tmp_path))
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    await stopped(task)
    assert entries(tmp_path) == []


def test_the_embedded_server_is_for_the_models_of_the_settings(tmp_path: Path) -> None:
    assert embedded_model_server(Settings(backend="elsewhere:8500")) is None
    folder = embedded_model_server(Settings(models=tmp_path))
    file = embedded_model_server(Settings(model_config_file=tmp_path / "models.config"))
    assert folder is not None
    assert file is not None
    assert f"--models {tmp_path} " in " ".join(folder.process.command)
    assert f"--model-config-file {tmp_path}/models.config " in " ".join(file.process.command)
    assert folder.target.startswith("unix:")
    assert folder.target != file.target


def test_the_embedded_server_is_confined_as_the_settings_say() -> None:
    server = embedded_model_server(Settings(model_server_memory=1 << 30))
    assert server is not None
    command = server.process.command
    assert json.loads(command[command.index("headwise.confinement") + 1]) == {"user": None, "memory": 1 << 30}


@pytest.mark.parametrize(("name", "value"), [("model_server_user", "1:1"), ("model_server_memory", 1 << 30)])
def test_a_model_server_of_somebody_else_cannot_be_confined(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"setting {name}: the model server elsewhere:8500 is none that"):
        embedded_model_server(Settings(backend="elsewhere:8500", **{name: value}))


@pytest.mark.parametrize("traces", [False, True])
def test_the_model_server_goes_on_with_traces_where_the_gateway_makes_them(traces: bool) -> None:
    server = embedded_model_server(Settings(traces=traces))
    assert server is not None
    assert ("--traces" in server.process.command) is traces


async def test_a_child_has_the_environment_that_it_is_given(tmp_path: Path) -> None:
    file = tmp_path / "found"
    note = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(' '.join(sorted(os.environ)) + '.')"
    process = SupervisedProcess([sys.executable, "-S", "-c", note, str(file)], environment={"ONE": "1", "TWO": "2"})
    task = asyncio.create_task(process.run())
    await until(lambda: file.exists() and file.read_text().endswith("."))
    await stopped(task)
    assert {"ONE", "TWO"} <= set(file.read_text()[:-1].split()) <= {"ONE", "TWO", "LC_CTYPE"}


def test_a_private_folder_is_for_one_user_and_goes_with_all_that_is_in_it() -> None:
    with private_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "counter_1.db").touch()
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with (
        pytest.raises(ConfigurationError, match=r"no temporary folder can be made: .*missing.*TMPDIR"),
        private_folder(),
    ):
        pass
