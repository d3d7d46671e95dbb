"""headwise attach"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import orjson
import typer

from headwise.cli import diagnostics
from headwise.cli.head_options import Outputs, one_of
from headwise.errors import ConfigurationError
from headwise.heads import Activation, Task
from headwise.heads.spec import Encoding
from headwise.repository import attachment
from headwise.repository.attachment import Attached, Wish
from headwise.repository.card_writer import card_json
from headwise.repository.sources import version_folder
from headwise.savedmodel.signature import DEFAULT_SIGNATURE

_TASKS: tuple[Task, ...] = get_args(Task)
_ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)
_ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
_EACH = "NAME=… for one of several outputs."

_Labels = Annotated[
    list[str] | None,
    typer.Option(metavar="A,B,…", help=f"One label a class in the units' order (binary: negative,positive). {_EACH}"),
]
_LabelsFrom = Annotated[
    list[str] | None, typer.Option(metavar="FILE", help=f"Labels, one a line or as a JSON list. {_EACH}")
]
_Task = Annotated[list[str] | None, typer.Option(metavar="|".join(_TASKS), help=f"Where labels do not tell. {_EACH}")]
_Activation = Annotated[
    list[str] | None,
    typer.Option(metavar="|".join(_ACTIVATIONS), help=f"Where the graph does not tell. {_EACH}"),
]
_Encoding = Annotated[
    list[str] | None, typer.Option(metavar="|".join(_ENCODINGS), help=f"What an ordinal head's units say. {_EACH}")
]
_Output = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Give this output a head; may be repeated. Others stay raw.")
]


def attach(
    model_dir: Annotated[Path, typer.Argument(help="models/NAME (its newest version) or models/NAME/VERSION.")],
    labels: _Labels = None,
    labels_from: _LabelsFrom = None,
    task: _Task = None,
    activation: _Activation = None,
    encoding: _Encoding = None,
    output: _Output = None,
    signature: Annotated[str, typer.Option(metavar="NAME", help="Whose outputs get heads.")] = DEFAULT_SIGNATURE,
    force: Annotated[bool, typer.Option("--force", help="Replace the card that is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a model's head card from what its graph shows; what cannot be known is asked for, never guessed.

    Exit code 1 if nothing was written.
    """
    version = version_folder(model_dir)
    outputs = Outputs.of(attachment.outputs_of(version, signature), output or ())
    said_labels = outputs.labels(labels, labels_from)
    said_task = outputs.named("--task", task, one_of("--task", _TASKS))
    said_activation = outputs.named("--activation", activation, one_of("--activation", _ACTIVATIONS))
    said_encoding = outputs.named("--encoding", encoding, one_of("--encoding", _ENCODINGS))
    said = {*said_labels, *said_task, *said_activation, *said_encoding}
    wishes = {
        name: Wish(said_labels.get(name, ()), said_task.get(name), said_activation.get(name), said_encoding.get(name))
        for name in outputs.names
        if name in said or name in (output or ()) or len(outputs.names) == 1
    }
    if not wishes:
        raise ConfigurationError(
            f"{version}: no output gets a head: say which, by --output or --labels NAME=a,b; "
            f"the outputs are {', '.join(outputs.names) or 'none that a head could read'}"
        )
    _print(attachment.attach(version, wishes, signature, replace=force), json=json)


def _print(written: Attached, *, json: bool) -> None:
    if json:
        document = {
            "file": str(written.file),
            "because": written.because,
            "card": orjson.loads(card_json(written.card)),
            "golden_records": written.golden,
            "diagnostics": [diagnostics.document(found) for found in written.diagnostics],
        }
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    console.print(f"[bold green]written[/] {escape(str(written.file))}", soft_wrap=True)
    for output, reasons in written.because.items():
        for reason in reasons:
            console.print(f"  {escape(output)}: {escape(reason)}", soft_wrap=True)
    if written.golden:
        console.print(f"  golden records: {written.golden} decided anew by this card", soft_wrap=True)
    diagnostics.show(console, written.diagnostics)
