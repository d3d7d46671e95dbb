"""`headwise model-server`: the embedded TensorFlow Serving compatible server, on its own."""

import enum
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from headwise.errors import ConfigurationError

_TFS = "TensorFlow Serving's own flags"
_SWITCHES = {
    "--enable_batching": "Batch concurrent calls; by default where there is a parameters file.",
    "--allow_version_labels_for_unavailable_models": "A new label may point to a version not yet loaded.",
    "--enable_serialization_as_tensor_content": "Answer Predict with tensor_content.",
    "--enable_signature_method_name_check": "Call only signatures made for the method.",
    "--enable_grpc_healthcheck_service": "Answer grpc.health.v1.",
}


class Switch(enum.Enum):
    """A boolean as TensorFlow Serving's flags take it: `--flag=true`, or the flag alone."""

    ON = "true"
    OFF = "false"


class ModelServerCommand(TyperCommand):
    """Reads a switch that stands alone as true."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [f"{arg}={Switch.ON.value}" if arg in _SWITCHES else arg for arg in args])


COMMAND_CLASS = ModelServerCommand


def _flag(name: str, about: str | None = None, **more: Any) -> Any:
    return typer.Option(name, help=about, rich_help_panel=_TFS, **more)


def _switch(name: str) -> Any:
    return _flag(name, _SWITCHES[name], case_sensitive=False)


_Models = Annotated[
    Path | None,
    typer.Option(help="Serve the newest two versions of every model in this folder; new ones are picked up."),
]
_ModelConfigFile = Annotated[
    Path | None,
    typer.Option("--model-config-file", "--model_config_file", help="TensorFlow Serving's model config file."),
]
_Listen = Annotated[
    list[str] | None,
    typer.Option(help="HOST:PORT or unix:PATH; may be repeated.", show_default="127.0.0.1:8500"),
]
_BatchingParametersFile = Annotated[
    Path | None,
    typer.Option(
        "--batching-parameters-file", "--batching_parameters_file", help="Batch concurrent calls as this file says."
    ),
]
_ExitWithParent = Annotated[
    int | None,
    typer.Option(min=1, metavar="PID", help="Stop when this process, which started the server, ends."),
]
_Traces = Annotated[
    bool, typer.Option("--traces", help="Go on with callers' traces; OpenTelemetry's OTEL_* variables say where to.")
]
_Port = Annotated[int | None, _flag("--port", "Listen on this port of every interface.")]
_SocketPath = Annotated[Path | None, _flag("--grpc_socket_path", "Listen on this Unix socket.")]
_PollWait = Annotated[
    float, _flag("--file_system_poll_wait_seconds", "How often to look for versions; 0 looks once.", min=0)
]
_LoadRetries = Annotated[int, _flag("--max_num_load_retries", "After a first failed try.", min=0)]
_RetryInterval = Annotated[int, _flag("--load_retry_interval_micros", min=0)]


def model_server(
    *,
    models: _Models = None,
    model_config_file: _ModelConfigFile = None,
    listen: _Listen = None,
    batching_parameters_file: _BatchingParametersFile = None,
    exit_with_parent: _ExitWithParent = None,
    traces: _Traces = False,
    port: _Port = None,
    grpc_socket_path: _SocketPath = None,
    enable_batching: Annotated[Switch | None, _switch("--enable_batching")] = None,
    poll_wait_s: _PollWait = 1.0,
    max_num_load_retries: _LoadRetries = 5,
    load_retry_interval_micros: _RetryInterval = 60_000_000,
    labels_ahead: Annotated[Switch, _switch("--allow_version_labels_for_unavailable_models")] = Switch.OFF,
    tensor_content: Annotated[Switch, _switch("--enable_serialization_as_tensor_content")] = Switch.OFF,
    method_names: Annotated[Switch, _switch("--enable_signature_method_name_check")] = Switch.OFF,
    health_service: Annotated[Switch, _switch("--enable_grpc_healthcheck_service")] = Switch.OFF,
) -> None:
    """Serve SavedModels over gRPC as TensorFlow Serving does."""
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    _check_paths(models, model_config_file, batching_parameters_file, enable_batching)
    from headwise.telemetry.traces import start

    tracing = start.start("headwise-model-server") if traces else None
    # TensorFlow takes seconds to import: --help and mistakes need not wait for it.
    from headwise.modelserver.quiet import import_tensorflow

    import_tensorflow()
    from headwise.modelserver import batching_parameters, config, manager, server

    options = server.ServerOptions(
        models=config.model_source(models, model_config_file),
        listen=_addresses(listen or [], port, grpc_socket_path),
        lifecycle=manager.Lifecycle(
            poll_wait_s=poll_wait_s,
            max_load_retries=max_num_load_retries,
            load_retry_interval_s=load_retry_interval_micros / 1e6,
            labels_for_unavailable=labels_ahead is Switch.ON,
        ),
        batching=batching_parameters.choose(enable_batching is Switch.ON, batching_parameters_file),
        tensor_content=tensor_content is Switch.ON,
        check_method_names=method_names is Switch.ON,
        health_service=health_service is Switch.ON,
        tracing=tracing,
    )
    server.serve(options, exit_with_parent)


def _addresses(listen: list[str], port: int | None, socket: Path | None) -> tuple[str, ...]:
    of_port = [] if port is None else [f"0.0.0.0:{port}"]
    of_socket = [] if socket is None else [f"unix:{socket}"]
    return (*listen, *of_port, *of_socket) or ("127.0.0.1:8500",)


def _check_paths(models: Path | None, config_file: Path | None, batching: Path | None, batch: Switch | None) -> None:
    if (models is None) == (config_file is None):
        raise ConfigurationError("give either --models DIR or --model-config-file FILE")
    if models is not None and not models.is_dir():
        raise ConfigurationError(f"--models {models}: no such folder")
    for flag, file in (("--model-config-file", config_file), ("--batching-parameters-file", batching)):
        if file is not None and not file.is_file():
            raise ConfigurationError(f"{flag} {file}: no such file")
    if batching is not None and batch is Switch.OFF:
        raise ConfigurationError("--batching-parameters-file is given, but --enable_batching is false")
