"""The one place that names concrete classes: settings in, a wired gateway out."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from headwise.api.grpc.server import GrpcServer
from headwise.api.rest.app import RestSurface, create_app
from headwise.backends.tfserving import TFServingBackend
from headwise.batching import Batcher, Limits
from headwise.errors import ConfigurationError
from headwise.gateway import Gateway
from headwise.golden_records import GoldenProver
from headwise.repository.model_repository import ModelRepository
from headwise.repository.sources import ModelConfigFile, ModelsFolder, ModelSource
from headwise.settings import EMBEDDED, Settings, address
from headwise.supervisor import EmbeddedModelServer
from headwise.telemetry.metrics import Metrics
from headwise.tripwires import Tripwires

_FEW_RETRIES = ("--max_num_load_retries=1", "--load_retry_interval_micros=1000000")
"""TensorFlow Serving tries a broken version for five minutes; meanwhile nobody could be told that it is broken."""

_LABELS_AHEAD = "--allow_version_labels_for_unavailable_models=true"
"""Nothing is loaded yet when the labels of the first configuration are set."""


@dataclass(frozen=True, slots=True)
class Application:
    """A gateway with its surfaces, not yet listening; model_server is the embedded one, where it is meant."""

    settings: Settings
    backend: TFServingBackend
    repository: ModelRepository
    rest: RestSurface
    grpc: GrpcServer
    model_server: EmbeddedModelServer | None


def build(settings: Settings) -> Application:
    """Wire an application inside the running event loop.

    Raises: ConfigurationError if it cannot work as it is told to.
    """
    source = _source(settings)
    model_server = _embedded(settings) if settings.backend == EMBEDDED else None
    backend = TFServingBackend(model_server.target if model_server else settings.backend)
    metrics = Metrics()
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


def _source(settings: Settings) -> ModelSource:
    if settings.model_config_file is not None:
        source = ModelConfigFile(settings.model_config_file)
        source.locations()
        return source
    if not settings.models.is_dir():
        raise ConfigurationError(
            f"{settings.models}: no such folder; name the model repository (NAME/VERSION/ folders) with --models"
        )
    return ModelsFolder(settings.models)


def _embedded(settings: Settings) -> EmbeddedModelServer:
    if importlib.util.find_spec("tensorflow") is None:
        raise ConfigurationError(
            "the embedded model server needs TensorFlow: pip install 'headwise[embedded]', "
            "or name a TensorFlow Serving with --backend HOST:PORT"
        )
    if settings.model_config_file is not None:
        models = ["--model-config-file", str(settings.model_config_file), _LABELS_AHEAD]
    else:
        models = ["--models", str(settings.models)]
    return EmbeddedModelServer([*models, *_FEW_RETRIES])
