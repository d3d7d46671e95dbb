"""The command line: one file a verb, arguments to calls, nothing else.

What verbs share is in options.py (what they take) and printing/ (what they say).
"""

from __future__ import annotations

import gc
import importlib
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from headwise import __version__
from headwise.errors import ConfigurationError, HeadwiseError

if TYPE_CHECKING:
    from typer.core import TyperCommand

VERBS = (
    "serve",
    "model-server",
    "inspect",
    "attach",
    "export",
    "evaluate",
    "calibrate",
    "card",
    "rewrite",
    "bake",
    "predict",
    "keys",
)
"""Each is the function, or the group of verbs, of that name in the module of that name, with _ for -."""


class Verbs(TyperGroup):
    """Loads a verb's module when the verb is asked for: `inspect` need not wait for what `serve` imports."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = dict.fromkeys(VERBS)  # type: ignore[assignment]  # names alone: for help, and for misspellings

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:  # noqa: ARG002  # typer calls it so
        return _command(cmd_name) if cmd_name in VERBS else None


app = typer.Typer(
    name="headwise",
    cls=Verbs,
    help="The gateway that knows what a classifier's last layer means.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _command(verb: str) -> TyperCommand | TyperGroup:
    name = verb.replace("-", "_")
    gc.disable()  # imports leave no garbage: looking for it took a twentieth of `headwise inspect`
    try:
        module = importlib.import_module(f"headwise.cli.{name}")
    finally:
        gc.enable()
    found = getattr(module, name)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
        alone.command(verb, cls=getattr(module, "COMMAND_CLASS", None))(found)
        found = alone
    command: TyperCommand | TyperGroup = typer.main.get_command(found)  # type: ignore[assignment]  # typer's own, both
    return command


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
        from rich.console import Console
        from rich.markup import escape

        Console(stderr=True).print(f"[bold red]headwise:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        if "--json" in sys.argv:
            from headwise.cli.printing import document

            document.show_refusal(error)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)
