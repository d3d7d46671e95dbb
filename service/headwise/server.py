"""Start the surfaces, wait for a signal, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, cast

import structlog
import uvicorn
from starlette.types import ASGIApp

from headwise.api.rest.connection import Connection
from headwise.api.rest.server import HttpServer
from headwise.api.rest.slow_clients import Patience, SlowClients
from headwise.api.rest.tls import context
from headwise.bootstrap import Application, build
from headwise.errors import ConfigurationError
from headwise.lifecycle import Announcement, Stop, say, stop_signal, warn
from headwise.ports import listen, shown
from headwise.repository.snapshot import Snapshot
from headwise.settings import Settings, address
from headwise.telemetry import logs

_log = structlog.get_logger(__name__)

_EAGER = 0.2
"""Seconds between looks while the model server does not answer."""
_A_MODEL = 0.01
"""Seconds between looks for each model that is looked at: a hundred of them a second."""

_LAST_SPANS = 0.5
"""Seconds that a collector of traces may take at a stop; what it has not taken then is lost."""

_CUTS, _BETWEEN_CUTS = 10, 0.05
"""Connections that still come while the listeners close are cut, too; what does not end then is left behind."""


def run(settings: Settings) -> None:
    """Serve by this process alone until SIGINT or SIGTERM.

    Raises: ConfigurationError if it cannot start.
    """
    logs.configure(settings.log_format, settings.log_level)
    run_loop(_serve_alone(settings))


def run_loop(main: Coroutine[object, object, None]) -> None:
    """Run on the loop that uvicorn is quickest on."""
    _open_more_files()
    gc.freeze()  # what was imported stays: looking through it for garbage took 50 ms, in which nobody was answered
    gc.set_threshold(20_000, 20, 20)  # requests make many objects and no cycles
    with asyncio.Runner(loop_factory=uvicorn.Config(serve, log_config=None).get_loop_factory()) as runner:
        runner.run(main)


def _open_more_files() -> None:
    """Take as many connections as the system allows: each is a file, and the usual 1,024 are soon in use."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS allows less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve_alone(settings: Settings) -> None:
    stop = stop_signal()
    listeners = listen_all(settings)
    application = build(settings)
    warn(settings)
    starting = application.model_server is not None
    await serve(application, listeners, stop, announce=Announcement.show, say=say, starting=starting)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Sockets of HTTP; admin: of the operations, where they have one of their own."""

    http: socket.socket
    admin: socket.socket | None = None


def listen_all(settings: Settings, *, shared: bool = False) -> Listeners:
    """Listen for HTTP, on one port or on two. shared: as `listen` has it.

    Raises: ConfigurationError.
    """
    http = listen(*address(settings.http, "http"), shared=shared)
    if settings.admin is None:
        return Listeners(http)
    return Listeners(http, listen(*address(settings.admin, "admin"), shared=shared, surface="admin"))


async def serve(
    application: Application,
    listeners: Listeners,
    stop: Stop,
    *,
    announce: Callable[[Announcement], None],
    say: Callable[[str], None],
    starting: bool,
) -> None:
    """Serve HTTP on the listeners, and gRPC, until it is asked to stop.

    announce: told once that the gateway is ready. say: told what else happens. starting: the model server may be only
    just starting, so that there is nothing to warn of.
    """
    settings = application.settings
    name = shown(*listeners.http.getsockname()[:2])
    await application.grpc.start()
    http = _http_server(application, application.rest.app)
    admin = _http_server(application, application.rest.admin)
    watch = asyncio.create_task(_watch(application, name, announce, starting))
    patience = Patience(settings.header_timeout, settings.body_timeout, settings.write_timeout)
    slow_clients = SlowClients(patience, lambda: _connections(http) | _connections(admin))
    background = [watch, asyncio.create_task(application.backend.run()), asyncio.create_task(slow_clients.watch())]
    if application.memory is not None:
        background.append(asyncio.create_task(application.memory.watch()))
    if application.model_server is not None:
        background.append(asyncio.create_task(application.model_server.run()))
    serving = asyncio.create_task(http.serve(sockets=[listeners.http]))
    own_port = listeners.admin
    administering = [] if own_port is None else [asyncio.create_task(admin.serve(sockets=[own_port]))]
    say(f"starting; HTTP on {name}, gRPC on port {application.grpc.port}, backend {settings.backend}")
    waiting = asyncio.create_task(stop.asked.wait())
    try:
        done, _ = await asyncio.wait(
            [waiting, serving, *administering, *background], return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.result()
    finally:
        say("stopping: requests in flight finish first")
        watch.cancel()
        await _drain(application, http, serving, stop)
        admin.should_exit = True  # it tells that the gateway is draining until the last request is answered
        await asyncio.gather(*administering, return_exceptions=True)
        for task in (waiting, *background):
            task.cancel()
        await asyncio.gather(waiting, *background, return_exceptions=True)
        await application.backend.close()
        if application.tracing is not None:
            await asyncio.to_thread(application.tracing.close, _LAST_SPANS)
        say("stopped")


def _http_server(application: Application, app: ASGIApp) -> HttpServer:
    certificate = application.certificate
    encrypted = None if certificate is None else context(certificate)
    return HttpServer(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",  # nothing here speaks it, and no timeout would hold for such a connection
            timeout_keep_alive=application.settings.keep_alive_timeout,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            ssl_context_factory=None if encrypted is None else lambda *_: encrypted,
        )
    )


def _connections(server: HttpServer) -> set[Connection]:
    return cast("set[Connection]", server.server_state.connections)


async def _drain(application: Application, http: HttpServer, serving: asyncio.Task[None], stop: Stop) -> None:
    """Say that it ends, serve on for who has not heard of it, let requests in flight finish, and cut what is left."""
    settings = application.settings
    application.rest.operations.draining = True
    await application.grpc.set_ready(False)
    http.say_goodbye()
    if stop.delays:
        await stop.hurried_within(settings.drain_delay)
    http.should_exit = True
    ending = serving, application.grpc.stop(settings.drains_for)
    finished: asyncio.Future[Any] = asyncio.gather(*ending, return_exceptions=True)
    hurry = asyncio.create_task(stop.hurry.wait())
    either: list[asyncio.Future[Any]] = [finished, hurry]
    await asyncio.wait(either, timeout=settings.drains_for, return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    for _ in range(_CUTS):
        if finished.done():
            break
        http.cut()
        await application.grpc.stop(None)
        await asyncio.wait([finished], timeout=_BETWEEN_CUTS)
    finished.cancel()


async def look(application: Application) -> Snapshot | None:
    """The repository looked at anew; None, and a line in the log, where that failed."""
    try:
        return await application.repository.refresh()
    except ConfigurationError as error:  # until the models have been listed once
        _log.warning("models not listed", reason=str(error))
    except Exception as error:  # noqa: BLE001  # the last snapshot serves on; nothing found on disk may end the gateway
        _log.exception("models not looked at", reason=type(error).__name__)
    return None


async def _watch(application: Application, http: str, announce: Callable[[Announcement], None], starting: bool) -> None:
    """Keep the snapshot and gRPC's health answer fresh; look often while the model server does not answer."""
    settings = application.settings
    announced, told = False, None
    while True:
        snapshot = await look(application)
        if snapshot is not None:
            if snapshot.backend_error != told and (announced or not starting):
                _log.warning("model server", reachable=snapshot.backend_error is None, reason=snapshot.backend_error)
                told = snapshot.backend_error
            unready = snapshot.unready(settings.required_models)
            models = {name: model.ready for name, model in snapshot.models.items()}
            await application.grpc.set_ready(unready is None, models)
            if unready is None and not announced:
                announced = True
                announce(_announcement(application, http))
        await asyncio.sleep(_pause(application.repository.snapshot, settings.poll_interval))


def _pause(snapshot: Snapshot, poll_interval: float) -> float:
    """Seconds until the next look, which asks for each model: many are looked at less often, once they are loaded."""
    if snapshot.backend_error is not None:
        return min(poll_interval, _EAGER)
    return poll_interval if snapshot.unready() else max(poll_interval, _A_MODEL * len(snapshot.models))


def _announcement(application: Application, http: str) -> Announcement:
    """What serves, and a call to try."""
    settings, models = application.settings, application.repository.snapshot.models.values()
    scheme = "http" if settings.tls_certificate is None else "https"
    base = http if scheme == "http" else f"https://{http}"
    curl = "curl -s" if settings.keys_file is None else 'curl -s -H "Authorization: Bearer $HEADWISE_API_KEY"'
    serving = [f"{model.name} {model.newest_admitted.status.version}" for model in models if model.newest_admitted]
    samples = sorted(settings.models.glob("*/sample.json"), reverse=True)
    calls = [f"{curl} {base}/v1/models/{file.parent.name}:classify -d @{file}" for file in samples[:1]]
    return Announcement(
        (
            f"serving {', '.join(serving) or 'no model yet'}",
            *(_unserved(model.name, *model.problem) for model in models if model.problem is not None),
            f"ready; documentation at {scheme}://{http}/docs, and a call to try:",
        ),
        (calls or [f"{curl} {base}/v1/models"])[0],
    )


def _unserved(name: str, code: str, reason: str) -> str:
    return f"{'raw numbers only' if code == 'head-not-found' else 'refused'}: {name} {reason}"
