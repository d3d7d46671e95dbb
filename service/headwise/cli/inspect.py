"""headwise inspect"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from headwise.errors import UnreadableModelError
from headwise.repository.served_model import load
from headwise.repository.sources import ModelLocation, ModelsFolder


def inspect(
    path: Annotated[Path, typer.Argument(help="A version folder, a model (newest version), or a model repository.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show what a SavedModel declares: its signatures, its head card, and whether the card fits.

    Exit code 1 if a card is refused or a model cannot be read.
    """
    folders = _version_folders(path)
    documents = {str(folder): _document(folder) for folder in folders}
    if json:
        of_one = path in (folders[0], folders[0].parent)
        shown = documents[str(folders[0])] if of_one else documents
        typer.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode())
    else:
        for folder, document in documents.items():
            _print_tables(folder, document)
    if any(document["refusal"] for document in documents.values()):
        raise typer.Exit(1)


def _version_folders(path: Path) -> list[Path]:
    """The path itself, the newest version of a model, or the newest versions of a repository's models."""
    if (path / "saved_model.pb").exists():
        return [path]
    if versions := ModelLocation(path).versions():
        return [versions[max(versions)]]
    if path.is_dir() and (models := ModelsFolder(path).locations()):
        return [max(location.versions().items())[1] for location in models.values()]
    raise UnreadableModelError(f"{path}: no SavedModel, no model and no model repository")


def _document(folder: Path) -> dict[str, Any]:
    model = load(folder.parent.name, int(folder.name) if folder.name.isdecimal() else 0, folder)
    return {
        "signatures": {
            name: {
                "inputs": {n: {"dtype": s.dtype, "shape": s.shape} for n, s in signature.inputs.items()},
                "outputs": {
                    n: {"dtype": s.dtype, "shape": s.shape, "units": s.units} for n, s in signature.outputs.items()
                },
            }
            for name, signature in model.signatures.items()
        },
        "card": orjson.loads(model.card.document) if model.card else None,
        "refusal": str(model.refusal) if model.refusal else None,
    }


def _print_tables(folder: str, document: dict[str, Any]) -> None:
    console = Console(highlight=False)
    table = Table("signature", "tensor", "name", "dtype", "shape", title=escape(folder), title_justify="left")
    for name, signature in document["signatures"].items():
        for side in ("inputs", "outputs"):
            for tensor, spec in signature[side].items():
                shape = spec["shape"]
                sizes = "any" if shape is None else ", ".join("?" if d is None else str(d) for d in shape)
                table.add_row(escape(name), side.removesuffix("s"), escape(tensor), spec["dtype"], f"({sizes})")
    console.print(table)
    if document["refusal"]:
        console.print(f"[bold red]refused[/] {escape(document['refusal'])}", soft_wrap=True)
        return
    if document["card"] is None:
        console.print("no head card: only its raw numbers can be read")
        return
    heads = Table("head", "task", "activation", "labels", "calibration", "decision")
    for name, signature in document["card"]["signatures"].items():
        for output, head in signature["heads"].items():
            heads.add_row(
                escape(output if name == "serving_default" else f"{name}.{output}"),
                head["task"],
                head["activation"],
                escape(", ".join(head.get("labels", ()))) or "-",
                _parameters(head.get("calibration"), "method"),
                _parameters(head.get("decision"), "rule"),
            )
    console.print(heads)


def _parameters(part: dict[str, Any] | None, name: str) -> str:
    if part is None:
        return "default"
    others = ", ".join(f"{key} {value}" for key, value in part.items() if key != name)
    return escape(f"{part.get(name, '')} {others}".strip())
