"""headwise attach"""

from __future__ import annotations

from typing import Annotated, Any

import orjson
import typer

from headwise.cli.options import Activations, Encodings, Json, Labels, LabelsFrom, ModelDir, Outputs, Tasks
from headwise.cli.printing import diagnostics, document
from headwise.errors import ConfigurationError
from headwise.repository import attachment
from headwise.repository.attachment import Attached, Wish
from headwise.repository.card_writer import card_json
from headwise.repository.sources import version_folder
from headwise.savedmodel.signature import DEFAULT_SIGNATURE


def attach(
    model_dir: ModelDir,
    labels: Labels = None,
    labels_from: LabelsFrom = None,
    task: Tasks = None,
    activation: Activations = None,
    encoding: Encodings = None,
    output: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Give this output a head; may be repeated. Others stay raw."),
    ] = None,
    signature: Annotated[str, typer.Option(metavar="NAME", help="Whose outputs get heads.")] = DEFAULT_SIGNATURE,
    force: Annotated[bool, typer.Option("--force", help="Replace the card that is there.")] = False,
    json: Json = False,
) -> None:
    """Write a model's head card from what its graph shows; what cannot be known is asked for, never guessed.

    Exit code 1 if nothing was written.
    """
    version = version_folder(model_dir)
    outputs = Outputs.of(attachment.outputs_of(version, signature), output or ())
    of_labels = outputs.labels(labels, labels_from)
    of_task, of_activation = outputs.tasks(task), outputs.activations(activation)
    of_encoding = outputs.encodings(encoding)
    said = {*of_labels, *of_task, *of_activation, *of_encoding, *(output or ())}
    wishes = {
        name: Wish(of_labels.get(name, ()), of_task.get(name), of_activation.get(name), of_encoding.get(name))
        for name in outputs.names
        if name in said or len(outputs.names) == 1
    }
    if not wishes:
        raise ConfigurationError(
            f"{version}: no output gets a head: say which, by --output or --labels NAME=a,b; "
            f"the outputs are {', '.join(outputs.names)}"
        )
    attached = attachment.attach(version, wishes, signature, replace=force)
    if json:
        document.show(_document(attached))
    else:
        _show(attached)


def _document(attached: Attached) -> dict[str, Any]:
    return {
        "file": str(attached.file),
        "because": attached.because,
        "card": orjson.loads(card_json(attached.card)),
        "dropped": attached.dropped,
        "golden_records": attached.golden,
        "diagnostics": [diagnostics.document(found) for found in attached.diagnostics],
    }


def _show(attached: Attached) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    console.print(f"[bold green]written[/] {escape(str(attached.file))}", soft_wrap=True)
    for output, reasons in attached.because.items():
        for reason in reasons:
            console.print(f"  {escape(output)}: {escape(reason)}", soft_wrap=True)
    for output in attached.dropped:
        console.print(f"  {escape(output)}: had a head, has none now", soft_wrap=True)
    if attached.golden:
        console.print(f"  golden records: {attached.golden} decided anew by this card", soft_wrap=True)
    diagnostics.show(console, attached.diagnostics)
