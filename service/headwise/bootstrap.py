"""The one place that names concrete classes: settings in, a wired gateway out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from headwise.access.access import Access
from headwise.access.certificates import Certificate, read_certificate
from headwise.access.key_file import read_ring
from headwise.access.keys import KeyAuthenticator
from headwise.access.last_good import LastGood
from headwise.access.rates import LocalLimiter
from headwise.admission import Admission, Memory
from headwise.admission.memory import limited
from headwise.api.grpc.server import GrpcServer
from headwise.api.rest.app import RestSurface, create_app
from headwise.backends.addresses import lookup
from headwise.backends.replicas import Replicas
from headwise.backends.tfserving import TFServingBackend
from headwise.batching import Batcher, Limits
from headwise.gateway import gauges
from headwise.gateway.gateway import ONE_BY_ONE, Gateway
from headwise.golden_records import GoldenProver
from headwise.repository.model_repository import ModelRepository
from headwise.repository.sources import model_source
from headwise.settings import Settings, address
from headwise.supervisor import EmbeddedModelServer, embedded_model_server
from headwise.telemetry import logs
from headwise.telemetry.metrics import Metrics
from headwise.telemetry.traces import start as traces
from headwise.tripwires import Tripwires

if TYPE_CHECKING:
    from headwise.telemetry.traces.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Application:
    """A gateway with its surfaces, not yet listening; model_server is the embedded one, where it is meant."""

    settings: Settings
    backend: Replicas
    repository: ModelRepository
    rest: RestSurface
    grpc: GrpcServer
    memory: Memory | None
    model_server: EmbeddedModelServer | None
    certificate: Callable[[], Certificate] | None
    tracing: Tracing | None = None


def build(settings: Settings, *, metrics: Metrics | None = None, shared_ports: bool = False) -> Application:
    """Wire an application inside the running event loop. shared_ports: other processes listen on them too.

    Raises: ConfigurationError if it cannot work as it is told to.
    """
    source = model_source(settings.models, settings.model_config_file)
    model_server = embedded_model_server(settings)
    metrics = metrics or Metrics()
    tracing = traces.start("headwise") if settings.traces else None
    connect = partial(
        TFServingBackend, most_bytes=settings.max_answer_bytes, longest=settings.max_request_timeout, tracing=tracing
    )
    backend = Replicas(lookup(model_server.target if model_server else settings.backend), connect, metrics)
    certificate = _certificate(settings, metrics)
    prove = GoldenProver(backend, timeout=settings.request_timeout, count=metrics.proved)
    repository = ModelRepository(source, backend, prove, failed=partial(metrics.reload_failed, "version"))
    memory = limited(settings.memory_watermark)
    admission = Admission(
        settings.max_in_flight,
        settings.max_in_flight_per_model,
        memory,
        settings.max_rows,
        refused=metrics.refused,
    )
    logs.count_losses(metrics.lines_lost)
    gauges.watch(metrics, admission, repository)
    metrics.watch("headwise_backend_up", lambda: {(address,): up for address, up in backend.up.items()})
    crowded = partial(metrics.refused, "queue")
    gateway = Gateway(
        backend,
        repository,
        raw_when_refused=settings.raw_when_refused,
        tripwires=Tripwires(metrics, settings.on_contradiction),
        batcher=Batcher(
            Limits(
                rows=settings.max_batch_rows,
                wait=settings.batch_wait,
                sizes=settings.allowed_batch_sizes,
                queue=settings.queue_timeout,
            ),
            departed=metrics.departed,
            refused=crowded,
        ),
        turns=Batcher(replace(ONE_BY_ONE, queue=settings.queue_timeout), refused=crowded),
        admission=admission,
        unbatched=settings.unbatched_models,
        access=_access(settings, metrics),
        tell_decisions=settings.log_decisions,
        answers=metrics.answers,
    )
    grpc = GrpcServer(
        gateway,
        address(settings.grpc, "grpc"),
        metrics,
        timeout=settings.request_timeout,
        max_timeout=settings.max_request_timeout,
        max_bytes=settings.max_body_bytes,
        required_models=settings.required_models,
        reflection=settings.reflects,
        shared_port=shared_ports,
        certificate=certificate,
        header_timeout=settings.header_timeout,
        tracing=tracing,
    )
    rest = create_app(
        gateway,
        metrics,
        timeout=settings.request_timeout,
        max_timeout=settings.max_request_timeout,
        max_body_bytes=settings.max_body_bytes,
        required_models=settings.required_models,
        tfs_nonfinite=settings.tfs_nonfinite,
        cors=settings.cors,
        metrics_apart=settings.admin is not None,
        tracing=tracing,
    )
    return Application(settings, backend, repository, rest, grpc, memory, model_server, certificate, tracing)


def _access(settings: Settings, metrics: Metrics) -> Access | None:
    file = settings.keys_file
    if file is None:
        return None
    ring = LastGood([file], partial(read_ring, file), what="keys", failed=metrics.reload_failed)
    return Access(KeyAuthenticator(ring), LocalLimiter())


def _certificate(settings: Settings, metrics: Metrics) -> Callable[[], Certificate] | None:
    chain, key, client_ca = settings.tls_certificate, settings.tls_key, settings.grpc_client_ca
    if chain is None or key is None:
        return None
    files = [file for file in (chain, key, client_ca) if file is not None]
    read = partial(read_certificate, chain, key, client_ca)
    return LastGood(files, read, what="certificate", failed=metrics.reload_failed)
