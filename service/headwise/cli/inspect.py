"""headwise inspect"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from headwise.errors import HeadwiseError, UnreadableModelError
from headwise.heads import Argmax, Head, HeadCard, PerLabel, Threshold
from headwise.heads.calibrators import AnyCalibrator
from headwise.heads.decisions import DEFAULTS, Rule
from headwise.repository.served_model import ServedModel, load
from headwise.repository.sources import ModelLocation, ModelsFolder
from headwise.savedmodel.signature import DEFAULT_SIGNATURE


def inspect(
    path: Annotated[Path, typer.Argument(help="A version folder, a model (newest version), or a model repository.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show what a SavedModel declares: its signatures, its head card, and whether the card fits.

    Exit code 1 if a card is refused or a model cannot be read.
    """
    folders = _version_folders(path)
    models = {
        str(folder): load(folder.parent.name, int(folder.name) if folder.name.isdecimal() else 0, folder)
        for folder in folders
    }
    if json:
        of_one = path in (folders[0], folders[0].parent)
        documents = {folder: _document(model) for folder, model in models.items()}
        shown = documents[str(folders[0])] if of_one else documents
        typer.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console(highlight=False)
        for folder, model in models.items():
            console.print(_tensors(folder, model))
            console.print(_verdict(model), soft_wrap=True)
            if model.card is not None:
                console.print(_heads(model.card.card))
    if any(model.refusal for model in models.values()):
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


def _document(model: ServedModel) -> dict[str, Any]:
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
        "diagnostics": [_diagnostic(model.refusal)] if model.refusal else [],
    }


def _diagnostic(refusal: HeadwiseError) -> dict[str, Any]:
    """A refusal's text says what is wrong and what to write instead: there is no fix apart from it."""
    return {"code": refusal.code, "severity": "error", "message": str(refusal), "fix": None}


def _tensors(folder: str, model: ServedModel) -> Table:
    columns = _columns("signature", "tensor", "name", "dtype", "shape")
    table = Table(*columns, title=escape(folder), title_justify="left")
    for name, signature in model.signatures.items():
        for side, specs in (("input", signature.inputs), ("output", signature.outputs)):
            for tensor, spec in specs.items():
                table.add_row(escape(name), side, escape(tensor), spec.dtype, _shape(spec.shape))
    return table


def _columns(*names: str) -> list[Column]:
    """Columns that go on in the next line where they are too narrow, and hide nothing."""
    return [Column(name, overflow="fold") for name in names]


def _shape(shape: tuple[int | None, ...] | None) -> str:
    sizes = "any" if shape is None else ", ".join("?" if size is None else str(size) for size in shape)
    return f"({sizes})"


def _verdict(model: ServedModel) -> str:
    if model.refusal is not None:
        return f"[bold red]refused[/] {escape(str(model.refusal))}"
    return "no head card: only its raw numbers can be read" if model.card is None else "the card fits"


def _heads(card: HeadCard) -> Table:
    table = Table(*_columns("head", "task", "activation", "labels", "calibration", "decision"))
    for name, signature in card.signatures.items():
        for output, head in signature.heads.items():
            shown = output if name == DEFAULT_SIGNATURE else f"{name}.{output}"
            labels = ", ".join(head.labels) or "-"
            texts = (shown, head.task, head.activation, labels, _calibration(head.calibration), _decision(head))
            table.add_row(*map(escape, texts))
    return table


def _calibration(calibrator: AnyCalibrator | None) -> str:
    """Such as `platt: slope 0.7, intercept -0.2`."""
    if calibrator is None:
        return "none"
    parameters = {field.name: getattr(calibrator, field.name) for field in fields(calibrator) if field.name != "method"}
    return f"{calibrator.method}: {_numbers(parameters)}"


def _decision(head: Head) -> str:
    """Such as `threshold 0.2; named: screen 0.1`."""
    if head.decision is not None:
        return _rule(head.decision)
    default = DEFAULTS[head.task]
    return "-" if default is None else f"{_rule(default)} (default)"


def _rule(rule: Rule) -> str:
    match rule:
        case Threshold(threshold=threshold, thresholds=named):
            return f"threshold {threshold}" + (f"; named: {_numbers(named)}" if named else "")
        case PerLabel(thresholds=thresholds):
            return f"thresholds {_numbers(thresholds)}"
        case Argmax():
            return "argmax"


def _numbers(named: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {number}" for name, number in named.items())
