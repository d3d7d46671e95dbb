"""`--json`: one document on standard output, of a refusal too."""

from __future__ import annotations

import orjson
import typer

from headwise.errors import HeadwiseError


def show(document: object) -> None:
    """Print a document."""
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


def show_refusal(error: HeadwiseError) -> None:
    """Print why there is no other document, on one line: `predict` prints a document a line."""
    typer.echo(orjson.dumps({"error": {"code": error.code, "message": str(error)}}).decode())
