"""headwise inspect"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headwise.cli.options import Json
from headwise.repository.inspection import inspect_path


def inspect(
    path: Annotated[
        Path,
        typer.Argument(help="A version folder, a model (newest version), a model repository, or a .keras file."),
    ],
    json: Json = False,
) -> None:
    """Show a model's heads, how they are known, its head card, and what is wrong with them.

    Exit code 1 on errors: a card that is refused, a model or golden records that cannot be read, a
    head that answers wrongly.
    """
    inspection = inspect_path(path)
    if json:
        from headwise.cli.printing import inspected_json

        inspected_json.show(inspection)
    else:
        from headwise.cli.printing import inspected_tables

        inspected_tables.show(inspection)
    if inspection.is_wrong:
        raise typer.Exit(1)
