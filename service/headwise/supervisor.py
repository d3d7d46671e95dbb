"""Keeps the embedded model server running as a child process on a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

_log = structlog.get_logger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_STABLE = 30.0
"""A child that lived so many seconds is restarted without a longer pause."""


class SupervisedProcess:
    """A child that is restarted when it ends, with growing pauses, until it is stopped.

    It runs in a session of its own, so Ctrl-C reaches only the parent, which stops the child last.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._child: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The running child's process id."""
        running = self._child is not None and self._child.returncode is None
        return self._child.pid if running and self._child is not None else None

    async def run(self) -> None:
        """Run until cancelled; the child is stopped then."""
        pause = _FIRST_PAUSE
        try:
            while True:
                started = time.monotonic()
                self._child = await asyncio.create_subprocess_exec(*self._command, start_new_session=True)
                code = await self._child.wait()
                if time.monotonic() - started > _STABLE:
                    pause = _FIRST_PAUSE
                _log.error("model server ended, restarting", exit_code=code, in_seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        finally:
            await self._stop()

    async def _stop(self, grace: float = 10.0) -> None:
        child = self._child
        if child is None or child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        try:
            await asyncio.wait_for(child.wait(), grace)
        except TimeoutError:
            child.kill()
            await child.wait()


class EmbeddedModelServer:
    """The model server of `headwise model-server` as a child; `target` is where it listens."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._folder = Path(tempfile.gettempdir()) / f"headwise-{secrets.token_hex(8)}"
        self.target = f"unix:{self._folder / 'model-server.sock'}"
        self.process = SupervisedProcess(
            [
                sys.executable,
                "-m",
                "headwise",
                "model-server",
                *arguments,
                "--listen",
                self.target,
                "--exit-with-parent",
                str(os.getpid()),
            ]
        )

    async def run(self) -> None:
        """Run until cancelled; leaves no process and no file."""
        self._folder.mkdir(mode=0o700)
        try:
            await self.process.run()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
