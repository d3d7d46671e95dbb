"""`headwise model-server` as a real process, for tests."""

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import grpc

COMMAND = (sys.executable, "-m", "headwise", "model-server")
START_S = 60.0
_LISTENING = "model server listening on "


class ServerProcess:
    """A started server: its log as it comes, its addresses, and a way to stop it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(process.stderr,), daemon=True)
        self._reader.start()

    @property
    def addresses(self) -> list[str]:
        line = self.wait_for(_LISTENING)
        return line.removeprefix(_LISTENING).split(", ")

    def wait_for(self, text: str, timeout_s: float = START_S) -> str:
        """Wait for a line of the log that contains `text` and return it."""
        with self._changed:
            self._changed.wait_for(lambda: self._find(text) or not self._reader.is_alive(), timeout_s)
            found = self._find(text)
        assert found is not None, f"no line with {text!r} in the log: {self.lines}"
        return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask the process to end and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(START_S)

    def await_end_of_log(self) -> None:
        """Wait until the last line is read: the pipe must not be closed before."""
        self._reader.join(START_S)

    def _find(self, text: str) -> str | None:
        return next((line for line in self.lines if text in line), None)

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


@contextmanager
def server_process(*arguments: str) -> Iterator[ServerProcess]:
    """Run the server, listening on a free port unless the arguments say otherwise."""
    if "--listen" not in arguments:
        arguments = (*arguments, "--listen", "127.0.0.1:0")
    with subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True) as process:
        server = ServerProcess(process)
        try:
            yield server
        finally:
            process.kill()
            server.await_end_of_log()


@contextmanager
def channel(address: str) -> Iterator[grpc.Channel]:
    unlimited = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(address, options=unlimited) as opened:
        grpc.channel_ready_future(opened).result(START_S)
        yield opened


def eventually(check: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait until a condition holds that nobody announces, such as one of another process."""
    give_up = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < give_up, "the condition did not come true"
        time.sleep(0.02)


def seconds(text: str) -> float:
    """Read the load time of a `serving … (0.12 s)` line."""
    match = re.search(r"\(([0-9.]+) s\)", text)
    assert match, text
    return float(match[1])
