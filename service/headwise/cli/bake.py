"""headwise bake"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape


def bake(
    model_dir: Annotated[Path, typer.Argument(help="models/NAME (newest version) or models/NAME/VERSION.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the whole head into the model's graph, as its next version: a bare TensorFlow Serving answers correctly.

    Needs TensorFlow. All old signatures stay. New are "headwise" (probabilities, labels, indices) and "classify", or
    "regress" for a quantity, which read tf.Examples. Calibration and the card's decision are in the graph;
    thresholds that a request chooses are not.
    """
    from headwise.repository.sources import version_folder
    from headwise.training.bake import bake as bake_version

    version = version_folder(model_dir)
    with Console(stderr=True).status("baking, and holding the new signatures against the card"):
        done = bake_version(version)
    if json:
        import orjson

        document = {
            "from": str(version),
            "version": str(done.version),
            "signatures": done.signatures,
            "without": done.without,
            "rows": done.rows,
        }
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        return
    console = Console(highlight=False)
    console.print(
        f"[bold]{escape(str(done.version))}[/]: {escape(str(version))} and {escape(', '.join(done.signatures))}.",
        soft_wrap=True,
    )
    for name, reason in done.without.items():
        console.print(f"[yellow]without {escape(name)}[/]: {escape(reason)}", soft_wrap=True)
    if done.rows:
        console.print(f"It answers as the card says on {done.rows} rows.")
    else:
        console.print(
            "[yellow]not tried[/]: there are no golden records, and no rows can be made up for its inputs",
            soft_wrap=True,
        )
