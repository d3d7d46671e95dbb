"""headwise serve"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def serve(
    models: Annotated[
        Path | None, typer.Option(help="The model repository: NAME/VERSION/ folders.", show_default="models")
    ] = None,
    model_config_file: Annotated[
        Path | None, typer.Option(help="TensorFlow Serving's model config file, instead of a folder.")
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help="embedded, or a TensorFlow Serving: HOST:PORT, dns:///NAME:PORT or unix:PATH.",
            show_default="embedded",
        ),
    ] = None,
    http: Annotated[str | None, typer.Option(help="Where HTTP listens.", show_default="127.0.0.1:8080")] = None,
    grpc: Annotated[str | None, typer.Option(help="Where gRPC listens.", show_default="127.0.0.1:8081")] = None,
    keys_file: Annotated[
        Path | None, typer.Option(help="API keys, as `headwise keys create` writes them: no call without one.")
    ] = None,
    allow_anonymous: Annotated[
        bool, typer.Option("--allow-anonymous", help="Other machines may call without a key, where there are none.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="How many processes answer, behind the same ports.", show_default="1")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file with any setting.")] = None,
) -> None:
    """Serve calibrated probabilities and labels over HTTP and gRPC, until Ctrl-C.

    Every setting can also stand in the TOML file, or in the environment as HEADWISE_NAME.
    """
    # Children are started by exec, never by fork alone: gRPC need not prepare for it, nor warn.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    # gRPC's core writes what a peer says when it leaves, as it is: lines of anybody's own.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from headwise.settings import Settings

    settings = Settings.load(
        config,
        models=models,
        model_config_file=model_config_file,
        backend=backend,
        http=http,
        grpc=grpc,
        keys_file=keys_file,
        allow_anonymous=allow_anonymous or None,
        workers=workers,
    )
    if settings.workers > 1:  # their parent serves nothing: it need not load what does
        from headwise.workers import parent

        parent.run(settings)
    else:
        from headwise import server

        server.run(settings)
