"""The model server as a whole: wire it, open the ports, stop it gracefully."""

import logging
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from headwise.errors import ConfigurationError
from headwise.modelserver.batching import BatchScheduler
from headwise.modelserver.batching_parameters import BatchingParameters
from headwise.modelserver.catalogue import Catalogue
from headwise.modelserver.config import ModelSource
from headwise.modelserver.listen import listen, remove_folder, remove_socket
from headwise.modelserver.manager import Lifecycle, ModelManager
from headwise.modelserver.servable import Servable, load
from headwise.modelserver.services import Runner, Services, handlers, run_directly
from headwise.modelserver.status import StatusError
from headwise.modelserver.tensors import Array
from headwise.modelserver.warmup import warm_up

if TYPE_CHECKING:
    from headwise.telemetry.traces.tracing import Tracing

log = logging.getLogger(__name__)

# The names are TensorFlow Serving's: unqualified, and "" for the server as a whole.
_HEALTH_SERVICES = ("", "ModelService", "PredictionService")
_PARENT_CHECK_S = 0.5
_LAST_SPANS_S = 0.5
_GRPC_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A second server on the same port is a mistake, not a share of the load.
    ("grpc.so_reuseport", 0),
)


@dataclass(frozen=True)
class ServerOptions:
    """What the flags say; the defaults are TensorFlow Serving's."""

    models: ModelSource
    listen: tuple[str, ...]
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    batching: BatchingParameters | None = None
    tensor_content: bool = False
    check_method_names: bool = False
    health_service: bool = False
    threads: int = max(32, 4 * (os.cpu_count() or 1))
    grace_s: float = 30.0
    tracing: "Tracing | None" = None


class ModelServer:
    """A running model server: `start` returns the addresses it listens on, `stop` lets calls finish."""

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._batches = BatchScheduler(options.batching) if options.batching else None
        self._runner: Runner = self._batches.run if self._batches else run_directly
        self._catalogue = Catalogue()
        self._manager = ModelManager(self._catalogue, self._load, options.lifecycle)
        self._server = grpc.server(ThreadPoolExecutor(options.threads, "call"), options=_GRPC_OPTIONS)
        self._addresses: list[str] = []
        self._stopping = threading.Event()

    def start(self) -> list[str]:
        """Open the ports at once, whatever the models do.

        TensorFlow Serving first waits until every model is loaded and gives up if one fails. The gateway
        reports readiness model by model, so here a call for a model that is not loaded is answered NOT_FOUND.

        Raises ConfigurationError where an address or a version label cannot be had.
        """
        options = self._options
        services = Services(
            self._catalogue,
            self._manager,
            self._runner,
            check_method_names=options.check_method_names,
            tensor_content=options.tensor_content,
        )
        self._server.add_generic_rpc_handlers(handlers(services, options.tracing))
        if options.health_service:
            _add_health_service(self._server)
        self._addresses = [listen(self._server, address) for address in options.listen]
        try:
            self._manager.start(options.models)
        except StatusError as error:
            raise ConfigurationError(_with_hint(error)) from error
        if self._batches:
            self._batches.start()
        self._server.start()
        return self._addresses

    def stop(self) -> None:
        """Refuse new calls, finish those under way, unload the models, remove the sockets."""
        self._stopping.set()
        self._server.stop(self._options.grace_s).wait()
        if self._batches:
            self._batches.stop()
        self._manager.stop(self._options.grace_s)
        if self._options.tracing is not None:
            self._options.tracing.close(_LAST_SPANS_S)
        for address in self._addresses:
            remove_socket(address)

    def _load(self, name: str, version: int, path: Path) -> Servable:
        servable = load(name, version, path)
        try:
            warm_up(servable, path, partial(self._run_warmup, servable))
        except BaseException:
            servable.close()
            raise
        return servable

    def _run_warmup(self, servable: Servable, feeds: Mapping[str, Array], fetches: Sequence[str]) -> list[Array]:
        """Run one warm-up record, unless the server stops: a long warm-up must not delay that."""
        if self._stopping.is_set():
            raise StatusError(grpc.StatusCode.CANCELLED, "the server is stopping")
        return self._runner(servable, feeds, fetches, None)


def serve(options: ServerOptions, parent: int | None) -> None:
    """Serve until SIGTERM, SIGINT or, where `parent` is given, until the process of that id is not our parent."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = ModelServer(options)
    addresses = server.start()
    log.info("model server listening on %s", ", ".join(addresses))
    orphaned = False
    while not orphaned and not stop.wait(_PARENT_CHECK_S):
        orphaned = parent is not None and os.getppid() != parent
    if orphaned:
        log.info("the parent process is gone: stopping")
    server.stop()
    if orphaned:
        for address in addresses:
            remove_folder(address)


def _with_hint(error: StatusError) -> str:
    """Nothing is loaded yet when the first labels are set: say which flag lets them point ahead."""
    hint = "; --allow_version_labels_for_unavailable_models=true lets a label point ahead"
    return error.message + (hint if error.code is grpc.StatusCode.FAILED_PRECONDITION else "")


def _add_health_service(server: grpc.Server) -> None:
    """Say SERVING from the start and never change: TensorFlow Serving's health does not follow the models."""
    servicer = health.HealthServicer()
    for name in _HEALTH_SERVICES:
        servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
