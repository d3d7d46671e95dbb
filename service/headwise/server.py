"""Start the surfaces, wait for a signal, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import signal
import socket
from collections.abc import Iterator

import structlog
import uvicorn
from rich.console import Console
from rich.markup import escape

from headwise.bootstrap import Application, build
from headwise.errors import ConfigurationError
from headwise.repository.snapshot import Snapshot
from headwise.settings import Settings, address
from headwise.telemetry import logs

_log = structlog.get_logger(__name__)

_BACKLOG = 2048
_EAGER = 0.2
"""Seconds between looks while the model server does not answer."""
_A_MODEL = 0.01
"""Seconds between looks for each model that is looked at: a hundred of them a second."""


class _HttpServer(uvicorn.Server):
    """uvicorn without its own signal handlers: one place hears signals for all surfaces."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises: ConfigurationError if it cannot start.
    """
    logs.configure(settings.log_format, settings.log_level)
    with asyncio.Runner(loop_factory=uvicorn.Config(_serve).get_loop_factory()) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    listener = _listen(*address(settings.http, "http"))
    application = build(settings)
    await application.grpc.start()
    http = _HttpServer(
        uvicorn.Config(
            application.rest.app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=math.ceil(settings.drain_timeout),
        )
    )
    watch = asyncio.create_task(_watch(application, _name(listener)))
    background = [watch]
    if application.model_server is not None:
        background.append(asyncio.create_task(application.model_server.run()))
    serving = asyncio.create_task(http.serve(sockets=[listener]))
    _say(f"starting; HTTP on {_name(listener)}, gRPC on port {application.grpc.port}, backend {settings.backend}")
    waiting = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([waiting, serving, *background], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        _say("stopping: requests in flight finish first")
        watch.cancel()
        application.rest.operations.draining = True
        await application.grpc.set_ready(False)
        http.should_exit = True
        await asyncio.gather(serving, application.grpc.stop(settings.drain_timeout), return_exceptions=True)
        for task in (waiting, *background):
            task.cancel()
        await asyncio.gather(waiting, *background, return_exceptions=True)
        await application.backend.close()
        _say("stopped")


async def _watch(application: Application, http: str) -> None:
    """Keep the snapshot and gRPC's health answer fresh; look often while the model server does not answer."""
    settings = application.settings
    announced, told = False, None
    while True:
        try:
            snapshot = await application.repository.refresh()
        except ConfigurationError as error:  # until the models have been listed once
            _log.warning("models not listed", reason=str(error))
        except Exception:  # noqa: BLE001  # the last snapshot serves on; nothing found on disk may end the gateway
            _log.exception("models not looked at")
        else:
            if snapshot.backend_error != told and (announced or application.model_server is None):
                _log.warning("model server", reachable=snapshot.backend_error is None, reason=snapshot.backend_error)
                told = snapshot.backend_error
            unready = snapshot.unready(settings.required_models)
            models = {name: model.ready for name, model in snapshot.models.items()}
            await application.grpc.set_ready(unready is None, models)
            if unready is None and not announced:
                announced = True
                gc.collect()
                gc.freeze()
                gc.set_threshold(20_000, 20, 50)
                _announce(application, http)
        await asyncio.sleep(_pause(application.repository.snapshot, settings.poll_interval))


def _pause(snapshot: Snapshot, poll_interval: float) -> float:
    """Seconds until the next look, which asks for each model: many are looked at less often, once they are loaded."""
    if snapshot.backend_error is not None:
        return min(poll_interval, _EAGER)
    return poll_interval if snapshot.unready() else max(poll_interval, _A_MODEL * len(snapshot.models))


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; bound first of all, so that a port in use is told before anything starts.

    Raises: ConfigurationError.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"HTTP cannot listen on {host}:{port}: {error.strerror}; choose another address with --http"
        ) from error
    # Connections have it from their listener: asyncio sets it only where uvloop is not, and not always.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _name(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _announce(application: Application, http: str) -> None:
    """Say what serves, and a call to try."""
    models = application.repository.snapshot.models.values()
    serving = [f"{model.name} {model.newest_admitted.status.version}" for model in models if model.newest_admitted]
    _say(f"serving {', '.join(serving) or 'no model yet'}")
    for model in models:
        if model.problem is not None:
            code, reason = model.problem
            _say(f"{'raw numbers only' if code == 'head-not-found' else 'refused'}: {model.name} {reason}")
    samples = sorted(application.settings.models.glob("*/sample.json"), reverse=True)
    calls = [f"curl -s {http}/v1/models/{file.parent.name}:classify -d @{file}" for file in samples[:1]]
    _say(f"ready; documentation at http://{http}/docs, and a call to try:")
    print(*(calls or [f"curl -s {http}/v1/models"]), flush=True)  # noqa: T201  # for pasting: no markup, on standard output


def _say(text: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold]headwise[/] {escape(text)}")
