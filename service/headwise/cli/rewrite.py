"""headwise rewrite"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from headwise.cli.options import Json, ModelDir, one_of
from headwise.cli.printing import document
from headwise.savedmodel.signature import DEFAULT_SIGNATURE

if TYPE_CHECKING:
    from headwise.training.rewriting.rewrite import Rewritten


class Form(StrEnum):
    """What the head is to become."""

    ONE_UNIT = "one-unit"
    TWO_UNIT = "two-unit"


def rewrite(
    model_dir: ModelDir,
    to: Annotated[str, typer.Option(metavar="|".join(Form), help="One logit unit, or two softmax units.")],
    output: Annotated[str | None, typer.Option(help="The output to rewrite, where several are binary.")] = None,
    signature: Annotated[str, typer.Option(help="The signature to rewrite.")] = DEFAULT_SIGNATURE,
    data: Annotated[
        Path | None,
        typer.Option(
            help="An .npz file with arrays named as the signature's inputs: old and new are compared on its rows.",
            metavar="FILE",
            show_default="made-up rows",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Turn a binary head of two units into one logit unit, or back, as the model's next version.

    Kernel and bias become their difference, or are put beside a zero. Card and golden records are written anew.

    Old and new are run first: where probabilities lie more than 1e-6 apart, nothing is written.

    Needs TensorFlow.
    """
    from headwise.repository.sources import version_folder
    from headwise.training.holdout import read_archive
    from headwise.training.rewriting.rewrite import rewrite as rewrite_version

    form = one_of("--to", Form)(to)
    version = version_folder(model_dir)
    rows = None if data is None else read_archive(data).inputs
    with Console(stderr=True).status("rewriting, and comparing old and new"):
        done = rewrite_version(version, form.value, signature, output=output, rows=rows)
    if json:
        document.show(_document(version, done))
    else:
        _show(version, done, form)


def _document(version: Path, done: Rewritten) -> dict[str, Any]:
    return {
        "from": str(version),
        "version": str(done.version),
        "output": done.output,
        "activation": {"before": done.before.activation, "after": done.after.activation},
        "largest_difference": done.apart,
        "rows": done.rows,
        "decided_differently": done.flipped,
        "golden_records": done.golden_records,
    }


def _show(version: Path, done: Rewritten, form: Form) -> None:
    flipped = f"{done.flipped} of them, at the cut, are decided differently"
    decided = flipped if done.flipped else "and every decision is the same"
    Console(highlight=False).print(
        f"[bold green]rewritten[/] {escape(str(done.version))}: {escape(done.output)} of {escape(str(version))}, "
        f"{done.before.activation}, is now {done.after.activation}, {form.value}.\n"
        f"Probabilities lie at most {done.apart:.1e} apart on {done.rows} rows, {decided}. "
        f"Golden records: {done.golden_records}.",
        soft_wrap=True,
    )
