"""Servers as child processes: started, waited for, frozen while others have their turn, and what CPU time they took.

Linux only: it reads /proc.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

PROC = Path("/proc")
TICK = 1.0 / os.sysconf("SC_CLK_TCK")
_DEATH_SIGNAL, _SUBREAPER = 1, 36
"""prctl's PR_SET_PDEATHSIG: a server ends with the benchmark, however that ends. Its PR_SET_CHILD_SUBREAPER: what a
server's child leaves behind becomes the server's, and stays in its tree."""


class ServerError(Exception):
    """A server did not start, or ended before it was told to."""


class Server:
    """One server and all its descendants; started by `with`. `log` is a file with all that they write."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name, self.log = name, log
        self._command, self._environment, self._folder = list(command), dict(environment), folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
                cwd=self._folder,
                start_new_session=True,
                preexec_fn=_set_up,  # noqa: PLW1509 - it only calls prctl
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def pids(self) -> list[int]:
        """The server and its descendants."""
        return [] if self._process is None else tree(self._process.pid)

    def cpu_seconds(self) -> float:
        """What the whole tree has taken so far, children that have ended included.

        Raises: ServerError if the server ended.
        """
        self.check()
        return sum(map(cpu_seconds, self.pids))

    def check(self) -> None:
        """Raises: ServerError with the end of the log if the server ended."""
        if self._process is None or self._process.poll() is not None:
            code = None if self._process is None else self._process.returncode
            raise ServerError(f"{self.name} is not running (exit code {code}):\n{self.tail()}")

    def tail(self, lines: int = 12) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])

    def freeze(self) -> None:
        """Stop the whole tree where it is, so that an idle server takes no time from one that is measured."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def stop(self, grace: float = 10.0) -> None:
        """SIGTERM to the server, SIGKILL to what is left of its tree after `grace` seconds."""
        if self._process is None:
            return
        self.thaw()
        left = self.pids
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        left = sorted({*left, *self.pids} - {self._process.pid})
        for pid in [*left, *([self._process.pid] if self._process.poll() is None else [])]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        give_up = time.monotonic() + grace
        while any(map(_runs, left)) and time.monotonic() < give_up:
            time.sleep(0.01)

    def _send(self, number: signal.Signals) -> None:
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def wait_until(ready: object, server: Server, seconds: float) -> None:
    """Until `ready()` holds.

    Raises: ServerError if the server ends, or is not ready in time.
    """
    assert callable(ready)
    give_up = time.monotonic() + seconds
    while not ready():
        server.check()
        if time.monotonic() > give_up:
            raise ServerError(f"{server.name} was not ready within {seconds:.0f} s:\n{server.tail()}")
        time.sleep(0.1)


def free_port() -> int:
    """A TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tree(root: int, proc: Path = PROC) -> list[int]:
    """A process and its descendants, as far as they live."""
    return list(_descend(root, proc))


def _descend(pid: int, proc: Path) -> Iterator[int]:
    if not (proc / str(pid)).exists():
        return
    yield pid
    for task in (proc / str(pid) / "task").glob("*/children"):
        for child in _read(task).split():
            yield from _descend(int(child), proc)


def cpu_seconds(pid: int, proc: Path = PROC) -> float:
    """User and system time of one process and of the children that it has waited for; 0 if it is gone."""
    return ticks(_read(proc / str(pid) / "stat")) * TICK


def ticks(stat: str) -> int:
    """utime + stime + cutime + cstime of a line of /proc/PID/stat; the name before them may hold anything."""
    if not stat:
        return 0
    return sum(int(field) for field in stat.rpartition(")")[2].split()[11:15])


def _runs(pid: int) -> bool:
    state = _read(PROC / str(pid) / "stat").rpartition(")")[2].split()[:1]
    return bool(state) and state != ["Z"]


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _set_up() -> None:
    prctl = ctypes.CDLL(None).prctl
    prctl(_SUBREAPER, 1, 0, 0, 0)
    prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
