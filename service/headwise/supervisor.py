"""Keeps child processes running: the embedded model server on a Unix socket, and workers."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path

import structlog

from headwise.confinement import Confinement, passed_on
from headwise.errors import ConfigurationError
from headwise.settings import EMBEDDED, Settings

_log = structlog.get_logger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_STABLE = 30.0
"""A child that lived so many seconds is restarted without a longer pause."""

_FEW_RETRIES = ("--max_num_load_retries=1", "--load_retry_interval_micros=1000000")
"""TensorFlow Serving tries a broken version for five minutes; meanwhile nobody could be told that it is broken."""

_LABELS_AHEAD = "--allow_version_labels_for_unavailable_models=true"
"""Nothing is loaded yet when the labels of the first configuration are set."""


class SupervisedProcess:
    """A child that is restarted when it ends, with growing pauses, until it is stopped.

    It runs in a session of its own, so Ctrl-C reaches only the parent, which stops its children in order. name: for
    the log. grace: seconds that the child may take to end when it is told to, by the signal `farewell`. environment:
    the child's, by default that of this process.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str = "model server",
        grace: float = 1.0,
        environment: Mapping[str, str] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.command = command
        self.farewell = signal.SIGTERM
        self._name = name
        self._grace = grace
        self._environment = environment
        self._sleep = sleep
        self._clock = clock
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
                started = self._clock()
                try:
                    self._child = await asyncio.create_subprocess_exec(
                        *self.command, env=self._environment, start_new_session=True
                    )
                except OSError as error:  # the system has no room for it; it may have later
                    _log.error(f"{self._name} cannot be started, trying again", reason=str(error), in_seconds=pause)
                else:
                    code = await self._child.wait()
                    if self._clock() - started > _STABLE:
                        pause = _FIRST_PAUSE
                    _log.error(f"{self._name} ended, restarting", exit_code=code, in_seconds=pause)
                await self._sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        finally:
            await self._stop()

    def tell(self, number: int) -> None:
        """Send the child a signal, if it runs."""
        if self._child is not None and self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(number)

    async def _stop(self) -> None:
        child = self._child
        if child is None or child.returncode is not None:
            return
        self.tell(self.farewell)
        try:
            await asyncio.wait_for(child.wait(), self._grace)
        except TimeoutError:
            child.kill()
            await child.wait()


class EmbeddedModelServer:
    """The model server of `headwise model-server` as a child; `target` is where it listens: a socket in the folder.

    The folder is made when it runs, for the user that it has, and removed at the end. traces: whether it goes on with
    the gateway's.
    """

    def __init__(
        self, arguments: Sequence[str], folder: Path, confinement: Confinement, *, traces: bool = False
    ) -> None:
        self._folder = folder
        self._confinement = confinement
        self.target = f"unix:{self._folder / 'model-server.sock'}"
        program = [sys.executable, "-m", "headwise", "model-server", *arguments]
        told = ["--listen", self.target, "--exit-with-parent", str(os.getpid()), *(["--traces"] if traces else [])]
        environment = passed_on(os.environ, traces=traces)
        self.process = SupervisedProcess(confinement.command([*program, *told]), environment=environment)

    async def run(self) -> None:
        """Run until cancelled; leaves no process and no file."""
        self._folder.mkdir(mode=0o700)
        try:
            if self._confinement.user is not None:
                os.chown(self._folder, *self._confinement.user)
            await self.process.run()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


def embedded_model_server(settings: Settings) -> EmbeddedModelServer | None:
    """The embedded model server for the models of the settings, not yet running; None where another one is meant.

    Raises: ConfigurationError if it cannot run.
    """
    if settings.backend != EMBEDDED:
        _refuse_confinement(settings)
        return None
    if importlib.util.find_spec("tensorflow") is None:
        raise ConfigurationError(
            "the embedded model server needs TensorFlow: pip install 'headwise[embedded]', "
            "or name a TensorFlow Serving with --backend HOST:PORT"
        )
    if settings.model_config_file is not None:
        models = ["--model-config-file", str(settings.model_config_file), _LABELS_AHEAD]
    else:
        models = ["--models", str(settings.models)]
    confinement = Confinement.of(settings.model_server_user, settings.model_server_memory)
    return EmbeddedModelServer([*models, *_FEW_RETRIES], _free_name(), confinement, traces=settings.traces)


def _refuse_confinement(settings: Settings) -> None:
    for name in ("model_server_user", "model_server_memory"):
        if getattr(settings, name) is not None:
            raise ConfigurationError(
                f"setting {name}: the model server {settings.backend} is none that this gateway starts; "
                "leave it out, and confine that one where it is started"
            )


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A folder of this process and its children, removed at the end.

    Raises: ConfigurationError where none can be made.
    """
    try:
        folder = _free_name()
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise ConfigurationError(
            f"no temporary folder can be made: {error}; name one that can be written to with TMPDIR"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_name() -> Path:
    return Path(tempfile.gettempdir()) / f"headwise-{secrets.token_hex(8)}"
