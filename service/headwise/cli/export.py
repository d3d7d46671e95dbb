"""headwise export"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from headwise.cli.options import Activations, Json, Labels, LabelsFrom, Outputs, Tasks
from headwise.cli.printing import diagnostics, document
from headwise.errors import ConfigurationError
from headwise.repository.card_writer import card_json
from headwise.repository.cards import read_card
from headwise.savedmodel.keras import KerasModel, read_keras

if TYPE_CHECKING:
    from headwise.training.exporting.export import Exported
    from headwise.training.exporting.inference import Said
    from headwise.training.exporting.proof import Validation


def export(
    file: Annotated[Path, typer.Argument(metavar="MODEL.keras", help="What model.save('MODEL.keras') wrote.")],
    to: Annotated[Path, typer.Option(help="The model's folder, such as models/tumor.")],
    labels: Labels = None,
    labels_from: LabelsFrom = None,
    task: Tasks = None,
    activation: Activations = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npz", help="Rows for the golden records: arrays named as the inputs, and targets."),
    ] = None,
    version: Annotated[int | None, typer.Option(min=0, help="A free number; the next one if left out.")] = None,
    json: Json = False,
) -> None:
    """Export a Keras model as a servable version with its head card and golden records. Needs TensorFlow.

    The head is inferred from the last layers, the compiled loss and the labels; what cannot be known is asked for.
    Exit code 1 if the model is refused; nothing is written then.
    """
    source = read_keras(file)
    outputs = Outputs.of(tuple(source.outputs))
    from headwise.training.exporting.inference import Said

    said = Said(
        labels=outputs.labels(labels, labels_from) or None,
        task=outputs.tasks(task) or None,
        activation=outputs.activations(activation) or None,
    )
    validation = _validation(data, tuple(source.outputs))
    with _progress(quiet=json) as told:
        exported = _export(file, source, to, said, validation, version, told)
    if json:
        document.show(_document(exported))
    else:
        _show(exported, to)


def _export(
    file: Path,
    source: KerasModel,
    to: Path,
    said: Said,
    validation: Validation,
    number: int | None,
    told: Callable[[str], None],
) -> Exported:
    from headwise.training.exporting.export import export_version
    from headwise.training.exporting.keras_file import load_keras

    told(f"loading {file}")
    model = load_keras(file)
    try:
        return export_version(model, to, said, validation, number=number, source=source, told=told)
    except FileExistsError as error:
        raise ConfigurationError(f"--version {number}: {error}") from error


def _validation(data: Path | None, outputs: tuple[str, ...]) -> Validation:
    """The rows of a holdout file, whose targets are class indices, a 0/1 matrix or values."""
    from headwise.training.exporting.proof import Validation
    from headwise.training.holdout import plain_targets, read_archive

    if data is None:
        return Validation()
    held_out = read_archive(data)
    inputs = dict(held_out.inputs)
    targets = plain_targets(held_out, outputs) if held_out.targets else None
    return Validation(inputs if targets is None else (inputs, targets), as_trained=False)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Tells the steps on standard error, one in place of the other on a terminal."""
    if quiet:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda step: console.print(f"{step} …", markup=False, soft_wrap=True)
        return
    with console.status("starting") as status:
        yield lambda step: status.update(f"{escape(step)} …")


def _document(exported: Exported) -> dict[str, Any]:
    card = read_card(exported.version)
    return {
        "version": str(exported.version),
        "because": {name: inferred.because for name, inferred in exported.heads.items()},
        "card": None if card is None else orjson.loads(card_json(card.card)),
        "golden_records": exported.golden,
        "without_golden_records": exported.without_golden,
        "diagnostics": [diagnostics.document(found) for found in exported.findings],
    }


def _show(exported: Exported, to: Path) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    console.print(f"[bold green]exported[/] {escape(str(exported.version))}", soft_wrap=True)
    for name, inferred in exported.heads.items():
        labels = ", ".join(inferred.head.labels) or "none"
        lines = (*inferred.because, f"labels: {labels}")
        console.print(*(f"  {escape(name)}: {escape(line)}" for line in lines), sep="\n", soft_wrap=True)
    for name in exported.raw:
        console.print(f"  {escape(name)}: no head, its numbers are served raw", soft_wrap=True)
    if exported.golden:
        console.print(f"  golden records: {exported.golden}, by which the version proves itself before it serves")
    else:
        console.print(f"  [yellow]{escape(str(exported.without_golden))}[/]", soft_wrap=True)
    diagnostics.show(console, exported.findings)
    console.print(f"next: headwise serve --models {escape(str(to.parent))}", soft_wrap=True)
