"""One of several gateway processes; the parent starts it with its duty as JSON."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import shutil
import sys

import structlog

from headwise import server
from headwise.bootstrap import build
from headwise.errors import ConfigurationError
from headwise.lifecycle import Stop, stop_signal
from headwise.telemetry import logs
from headwise.telemetry.metrics import Metrics
from headwise.telemetry.shared import share
from headwise.workers.duty import Duty
from headwise.workers.pulse import Pulse

_log = structlog.get_logger(__name__)

_PARENT_CHECK = 0.5


def main(argument: str) -> None:
    """Serve until the parent says so, or is gone. Exit code 2: it cannot start."""
    faulthandler.enable()  # a worker that is ended because it stands still says where
    duty = Duty.model_validate_json(argument)
    logs.configure(duty.settings.log_format, duty.settings.log_level, worker=duty.number)
    try:
        server.run_loop(_work(duty))
    except ConfigurationError as error:  # what the parent could not know, or what changed since it looked
        _log.error("worker cannot start", reason=str(error))  # the trace would tell nothing more
        sys.exit(2)
    if _orphaned(duty):  # whoever is left cleans up
        shutil.rmtree(duty.folder, ignore_errors=True)


async def _work(duty: Duty) -> None:
    stop = stop_signal()
    settings = duty.settings
    metrics = Metrics(share(duty.folder, duty.number))
    application = build(settings, metrics=metrics, shared_ports=True)
    # Once it listens it has its part of the connections: it knows its models first, so that a restart refuses none.
    await server.look(application)
    listeners = server.listen_all(settings, shared=True)
    others = [asyncio.create_task(_leave(duty, stop)), asyncio.create_task(metrics.tell())]
    try:
        await server.serve(
            application, listeners, stop, announce=duty.report, say=lambda _: None, starting=duty.starting
        )
    finally:
        for task in others:
            task.cancel()


async def _leave(duty: Duty, stop: Stop) -> None:
    """Stop when the parent is gone; until then let it see that we move."""
    pulse = Pulse(duty.pulse)
    while not _orphaned(duty):  # no event tells of it
        pulse.beat()
        await asyncio.sleep(_PARENT_CHECK)
    stop.ask(delays=False)


def _orphaned(duty: Duty) -> bool:
    return os.getppid() != duty.parent


if __name__ == "__main__":
    main(sys.argv[1])
