"""The parent of several workers: holds their ports, keeps them and the model server running, stops them in order."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from headwise.access.certificates import read_certificate
from headwise.access.key_file import read_ring
from headwise.errors import ConfigurationError
from headwise.lifecycle import AT_ONCE, WITH_DELAY, Announcement, Stop, say, stop_signal, warn
from headwise.ports import HeldPort
from headwise.repository.sources import model_source
from headwise.settings import Settings, address
from headwise.supervisor import EmbeddedModelServer, SupervisedProcess, embedded_model_server, private_folder
from headwise.telemetry import logs
from headwise.telemetry.traces import start as traces
from headwise.workers.duty import Duty
from headwise.workers.pulse import Pulse, Ward, look_after

_CLOSING = 1.5
"""Seconds that a worker may take to end after its requests have had their time."""

_LOOK = 0.05


def run(settings: Settings) -> None:
    """Serve by settings.workers processes until SIGINT or SIGTERM.

    Raises: ConfigurationError if it cannot start.
    """
    check_platform(sys.platform)
    logs.configure(settings.log_format, settings.log_level)
    asyncio.run(_run(settings))


def check_platform(platform: str) -> None:
    """Raises: ConfigurationError where one of the sockets that share a port would get every connection."""
    if platform != "linux":
        raise ConfigurationError(
            f"setting workers: only Linux spreads connections over several processes, this is {platform}; leave it at 1"
        )


async def _run(settings: Settings) -> None:
    stop = stop_signal()
    _check_files(settings)
    with ExitStack() as held:
        ports = {
            name: held.enter_context(HeldPort(name, *address(at, name)))
            for name, at in (("http", settings.http), ("grpc", settings.grpc), ("admin", settings.admin))
            if at is not None
        }
        folder = held.enter_context(private_folder())
        model_server = embedded_model_server(settings)
        duties = _duties(settings, ports, folder, model_server)
        warn(settings)
        say(
            f"starting; HTTP on {ports['http']}, gRPC on port {ports['grpc'].port}, backend {settings.backend}, "
            f"{settings.workers} worker processes"
        )
        await _keep(duties, model_server, stop)
    say("stopped")


def _check_files(settings: Settings) -> None:
    """What is wrong there, or not installed, is told once, not by each worker.

    Raises: ConfigurationError.
    """
    model_source(settings.models, settings.model_config_file)
    if settings.traces:
        traces.check()
    if settings.keys_file is not None:
        read_ring(settings.keys_file)
    if settings.tls_certificate is not None and settings.tls_key is not None:
        read_certificate(settings.tls_certificate, settings.tls_key, settings.grpc_client_ca)


def _duties(
    settings: Settings, ports: Mapping[str, HeldPort], folder: Path, model_server: EmbeddedModelServer | None
) -> list[Duty]:
    backend = settings.backend if model_server is None else model_server.target
    done_here = {"model_server_user": None, "model_server_memory": None}
    listening = {name: str(port) for name, port in ports.items()}
    settled = settings.model_copy(update={"backend": backend, **listening, **done_here})
    return [
        Duty(settings=settled, number=number, parent=os.getpid(), folder=folder, starting=model_server is not None)
        for number in range(1, settings.workers + 1)
    ]


async def _keep(duties: Sequence[Duty], model_server: EmbeddedModelServer | None, stop: Stop) -> None:
    """Keep all of them running until asked to stop; the workers stop first, all at once, then the model server."""
    settings = duties[0].settings
    grace = settings.drain_delay + settings.drains_for + _CLOSING
    processes = [SupervisedProcess(duty.command, name=f"worker {duty.number}", grace=grace) for duty in duties]
    wards = [Ward(duty.number, process, Pulse(duty.pulse)) for duty, process in zip(duties, processes, strict=True)]
    workers = [asyncio.create_task(process.run()) for process in processes]
    others = [
        asyncio.create_task(stop.asked.wait()),
        asyncio.create_task(_announce(duties)),
        asyncio.create_task(look_after(wards)),
    ]
    if model_server is not None:
        others.append(asyncio.create_task(model_server.run()))
    try:
        done, _ = await asyncio.wait([*workers, *others], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        say("stopping: requests in flight finish first")
        hurrying = asyncio.create_task(_hurry(processes, stop))
        for process in processes:
            process.farewell = WITH_DELAY if stop.delays else AT_ONCE
        for tasks in (workers, others):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        hurrying.cancel()


async def _hurry(processes: Sequence[SupervisedProcess], stop: Stop) -> None:
    """Tell them, with another signal than the first: two equal ones that come at once are one."""
    await stop.hurry.wait()
    for process in processes:
        process.tell(AT_ONCE if stop.delays else WITH_DELAY)


async def _announce(duties: Sequence[Duty]) -> None:
    """Say once that the gateway is ready, when all workers are; never ends."""
    announcements = [await _report(duty) for duty in duties]
    announcements[0].show()
    await asyncio.Event().wait()


async def _report(duty: Duty) -> Announcement:
    while (announcement := duty.reported()) is None:  # noqa: ASYNC110  # a file is what tells of it
        await asyncio.sleep(_LOOK)
    return announcement
