"""headwise bake"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from headwise.cli.options import Json, ModelDir
from headwise.cli.printing import document

if TYPE_CHECKING:
    from headwise.training.baking.bake import BakedModel


def bake(model_dir: ModelDir, json: Json = False) -> None:
    """Write the whole head into the model's graph, as its next version: a bare TensorFlow Serving answers correctly.

    Needs TensorFlow. All old signatures stay. New are "headwise" (probabilities, labels, indices) and "classify", or
    "regress" for a quantity, which read tf.Examples. Calibration and the card's decision are in the graph;
    thresholds that a request chooses are not.
    """
    from headwise.repository.sources import version_folder
    from headwise.training.baking.bake import bake as bake_version

    version = version_folder(model_dir)
    with Console(stderr=True).status("baking, and holding the new signatures against the card"):
        done = bake_version(version)
    if json:
        document.show(_document(version, done))
    else:
        _show(version, done)


def _document(version: Path, done: BakedModel) -> dict[str, Any]:
    return {
        "from": str(version),
        "version": str(done.version),
        "signatures": done.signatures,
        "without": done.without,
        "rows": done.rows,
    }


def _show(version: Path, done: BakedModel) -> None:
    console = Console(highlight=False)
    console.print(
        f"[bold green]baked[/] {escape(str(done.version))}: {escape(str(version))} and "
        f"{escape(', '.join(done.signatures))}.",
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
