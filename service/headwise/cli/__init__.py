"""The command line: one file a verb, arguments to calls, nothing else."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from headwise import __version__
from headwise.cli.inspect import inspect
from headwise.cli.model_server import ModelServerCommand, model_server
from headwise.cli.predict import predict
from headwise.cli.serve import serve
from headwise.errors import ConfigurationError, HeadwiseError

app = typer.Typer(
    name="headwise",
    help="The gateway that knows what a classifier's last layer means.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(serve)
app.command("model-server", cls=ModelServerCommand)(model_server)
app.command()(predict)
app.command()(inspect)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"headwise {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Calibrated probabilities and labels from TensorFlow Serving."""


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 a finding or a refusal, 2 wrong usage."""
    try:
        app()
    except HeadwiseError as error:
        Console(stderr=True).print(f"[bold red]headwise:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)
