"""`headwise serve` as a real process on free ports."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import httpx

COMMAND = (sys.executable, "-m", "headwise")
_STARTED = re.compile(r"HTTP on (\S+), gRPC on port (\d+)")


def run_to_its_end(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A `headwise serve` that is expected to refuse."""
    return subprocess.run(
        [sys.executable, "-m", "headwise", "serve", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def alive(pid: int) -> bool:
    """Running, and no zombie that nobody has reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class GatewayProcess:
    """Started by `with`; stopped as Ctrl-C does it.

    stdout, log: the files that its standard output and its standard error go to.
    """

    def __init__(
        self,
        *arguments: str,
        environment: dict[str, str] | None = None,
        command: Sequence[str] = COMMAND,
        stdout: IO[bytes] | None = None,
        log: IO[bytes] | None = None,
    ) -> None:
        self.workers = int(arguments[arguments.index("--workers") + 1]) if "--workers" in arguments else 1
        self._lines: list[str] = []
        self._file = None if log is None else Path(log.name)
        self.process = subprocess.Popen(
            [
                *(*command, "serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"),
                *arguments,
            ],
            stderr=log or subprocess.PIPE,
            stdout=stdout or subprocess.DEVNULL,
            text=True,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("HEADWISE_")},
                "HEADWISE_POLL_INTERVAL": "0.2",
                **(environment or {}),
            },
        )
        if log is None:
            threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> GatewayProcess:
        give_up = time.monotonic() + 30
        while (found := _STARTED.search(self.log)) is None:
            if self.process.poll() is not None or time.monotonic() > give_up:
                self.process.kill()
                raise AssertionError(f"the gateway did not start:\n{self.log}")
            time.sleep(0.01)
        self.url, self.grpc = f"http://{found[1]}", f"127.0.0.1:{found[2]}"
        self.http = httpx.Client(base_url=self.url, timeout=30)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.http.close()
        self.stop()

    @property
    def log(self) -> str:
        """What it has written to standard error so far."""
        return "".join(self._lines) if self._file is None else self._file.read_text("utf-8")

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal and wait for the end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(40)  # drains for 30 s where a request hangs
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def wait_ready(self, seconds: float = 60) -> GatewayProcess:
        """Wait until /readyz answers 200, of several workers until all are ready."""
        self.wait_for(self._is_ready, seconds)
        return self

    def wait_for(self, condition: Any, seconds: float = 30) -> None:
        """Wait until a condition holds."""
        give_up = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > give_up:
                raise AssertionError(f"not within {seconds} s:\n{self.log}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        if self.workers > 1:  # they listen only when they know their models
            return "headwise ready;" in self.log
        return self.http.get("/readyz").status_code == 200

    def classify(self, model: str, body: dict[str, Any] | bytes) -> httpx.Response:
        """POST /v1/models/MODEL:classify."""
        path = f"/v1/models/{model}:classify"
        return self.http.post(path, content=body) if isinstance(body, bytes) else self.http.post(path, json=body)

    def children(self) -> list[int]:
        """Process ids of its children."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for task in tasks for pid in task.read_text().split()]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.append(line)
        self.process.stderr.close()
