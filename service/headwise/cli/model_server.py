"""`headwise model-server`: the embedded TensorFlow Serving compatible server, on its own."""

import enum
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from headwise.errors import ConfigurationError

_TFS = "TensorFlow Serving's own flags"


class Switch(enum.Enum):
    """A boolean as TensorFlow Serving's flags take it: `--flag=true`."""

    ON = "true"
    OFF = "false"


def _flag(name: str, about: str) -> Any:
    return typer.Option(f"--{name}", case_sensitive=False, help=about, rich_help_panel=_TFS)


def model_server(
    *,
    models: Annotated[
        Path | None,
        typer.Option(help="Serve every model in this folder, two versions of each; new ones are picked up."),
    ] = None,
    model_config_file: Annotated[
        Path | None,
        typer.Option("--model-config-file", "--model_config_file", help="TensorFlow Serving's model config file."),
    ] = None,
    listen: Annotated[
        list[str] | None,
        typer.Option(help="HOST:PORT or unix:PATH; may be repeated.", show_default="127.0.0.1:8500"),
    ] = None,
    batching_parameters_file: Annotated[
        Path | None,
        typer.Option(
            "--batching-parameters-file",
            "--batching_parameters_file",
            help="Batch concurrent calls as this file says.",
        ),
    ] = None,
    exit_with_parent: Annotated[
        bool, typer.Option("--exit-with-parent", help="Stop when the process that started this one ends.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(help="Listen on this port of every interface.", rich_help_panel=_TFS)
    ] = None,
    grpc_socket_path: Annotated[
        Path | None,
        typer.Option("--grpc_socket_path", help="Listen on this Unix socket.", rich_help_panel=_TFS),
    ] = None,
    enable_batching: Annotated[
        Switch | None,
        _flag("enable_batching", "Batch concurrent calls. [default: if there is a parameters file]"),
    ] = None,
    poll_wait_s: Annotated[
        float,
        typer.Option(
            "--file_system_poll_wait_seconds",
            min=0,
            help="How often to look for versions; 0 looks once.",
            rich_help_panel=_TFS,
        ),
    ] = 1.0,
    max_num_load_retries: Annotated[
        int,
        typer.Option("--max_num_load_retries", min=0, help="After a first failed try.", rich_help_panel=_TFS),
    ] = 5,
    load_retry_interval_micros: Annotated[
        int, typer.Option("--load_retry_interval_micros", min=0, rich_help_panel=_TFS)
    ] = 60_000_000,
    allow_version_labels_for_unavailable_models: Annotated[
        Switch,
        _flag(
            "allow_version_labels_for_unavailable_models",
            "A new label may point to a version not yet loaded.",
        ),
    ] = Switch.OFF,
    enable_serialization_as_tensor_content: Annotated[
        Switch, _flag("enable_serialization_as_tensor_content", "Answer Predict with tensor_content.")
    ] = Switch.OFF,
    enable_signature_method_name_check: Annotated[
        Switch, _flag("enable_signature_method_name_check", "Call only signatures made for the method.")
    ] = Switch.OFF,
    enable_grpc_healthcheck_service: Annotated[
        Switch, _flag("enable_grpc_healthcheck_service", "Answer grpc.health.v1.")
    ] = Switch.OFF,
) -> None:
    """Serve SavedModels over gRPC as TensorFlow Serving does."""
    parent = os.getppid() if exit_with_parent else None
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    addresses = [*(listen or []), *([] if port is None else [f"0.0.0.0:{port}"])]
    addresses += [] if grpc_socket_path is None else [f"unix:{grpc_socket_path}"]
    _check_paths(models, model_config_file, batching_parameters_file, enable_batching)
    # This imports TensorFlow, which takes seconds: --help and mistakes need not wait for it.
    from headwise.modelserver import batching_parameters, config, manager, server

    options = server.ServerOptions(
        models=config.model_source(models, model_config_file),
        listen=tuple(addresses) or ("127.0.0.1:8500",),
        lifecycle=manager.Lifecycle(
            poll_wait_s=poll_wait_s,
            max_load_retries=max_num_load_retries,
            load_retry_interval_s=load_retry_interval_micros / 1e6,
            labels_for_unavailable=allow_version_labels_for_unavailable_models is Switch.ON,
        ),
        batching=batching_parameters.choose(enable_batching is Switch.ON, batching_parameters_file),
        tensor_content=enable_serialization_as_tensor_content is Switch.ON,
        check_method_names=enable_signature_method_name_check is Switch.ON,
        health_service=enable_grpc_healthcheck_service is Switch.ON,
    )
    server.serve(options, parent)


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
