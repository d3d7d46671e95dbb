"""The one place that names concrete classes: settings in, a wired gateway out."""

from __future__ import annotations

from dataclasses import dataclass

from headwise.api.grpc.server import GrpcServer
from headwise.api.rest.app import RestSurface, create_app
from headwise.backends.tfserving import TFServingBackend
from headwise.batching import Batcher, Limits
from headwise.gateway import Gateway
from headwise.golden_records import GoldenProver
from headwise.repository.model_repository import ModelRepository
from headwise.repository.sources import model_source
from headwise.settings import Settings, address
from headwise.supervisor import EmbeddedModelServer, embedded_model_server
from headwise.telemetry.metrics import Metrics
from headwise.tripwires import Tripwires


@dataclass(frozen=True, slots=True)
class Application:
    """A gateway with its surfaces, not yet listening; model_server is the embedded one, where it is meant."""

    settings: Settings
    backend: TFServingBackend
    repository: ModelRepository
    rest: RestSurface
    grpc: GrpcServer
    model_server: EmbeddedModelServer | None


def build(settings: Settings, *, metrics: Metrics | None = None, shared_ports: bool = False) -> Application:
    """Wire an application inside the running event loop. shared_ports: other processes listen on them too.

    Raises: ConfigurationError if it cannot work as it is told to.
    """
    source = model_source(settings.models, settings.model_config_file)
    model_server = embedded_model_server(settings)
    backend = TFServingBackend(model_server.target if model_server else settings.backend)
    metrics = metrics or Metrics()
    prove = GoldenProver(backend, timeout=settings.request_timeout, count=metrics.proved)
    repository = ModelRepository(source, backend, prove)
    gateway = Gateway(
        backend,
        repository,
        raw_when_refused=settings.raw_when_refused,
        tripwires=Tripwires(metrics, settings.on_contradiction),
        batcher=Batcher(
            Limits(rows=settings.max_batch_rows, wait=settings.batch_wait, sizes=settings.allowed_batch_sizes)
        ),
        unbatched=settings.unbatched_models,
    )
    grpc = GrpcServer(
        gateway,
        address(settings.grpc, "grpc"),
        metrics,
        timeout=settings.request_timeout,
        max_bytes=settings.max_body_bytes,
        required_models=settings.required_models,
        reflection=settings.reflects,
        shared_port=shared_ports,
        header_timeout=settings.header_timeout,
    )
    rest = create_app(
        gateway,
        metrics,
        timeout=settings.request_timeout,
        max_body_bytes=settings.max_body_bytes,
        required_models=settings.required_models,
        tfs_nonfinite=settings.tfs_nonfinite,
        cors=settings.cors,
    )
    return Application(settings, backend, repository, rest, grpc, model_server)
