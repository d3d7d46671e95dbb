"""What `headwise inspect` prints in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from headwise.cli.printing import diagnostics
from headwise.cli.printing.heads_table import heads_table
from headwise.repository.inspection import Inspected, Inspection
from headwise.savedmodel import UNKNOWN, DetectedHead, SavedModel, Signature
from headwise.savedmodel.keras import KerasModel
from headwise.savedmodel.training_config import TrainingConfig


def show(inspection: Inspection) -> None:
    """A table of tensors with the heads that were detected, the card, and what is wrong."""
    console = Console(highlight=False)
    for one in inspection.models:
        match one.model:
            case SavedModel():
                console.print(_tensors(str(one.path), one.model))
                for line in _detected(one.model):
                    console.print(line, soft_wrap=True)
            case KerasModel():
                console.print(_keras_outputs(str(one.path), one.model))
            case _:
                console.print(f"[italic]{escape(str(one.path))}[/]", soft_wrap=True)
        console.print(_verdict(one), soft_wrap=True)
        if one.card is not None:
            console.print(heads_table(one.card.card))
        if one.golden is not None:
            console.print(f"golden records: {one.golden}")
        diagnostics.show(console, one.diagnostics)


def _tensors(path: str, model: SavedModel) -> Table:
    table = _table(path, "signature", "tensor", "name", "dtype", "shape", "activation")
    for names, signature, heads in _distinct(model):
        for tensor, spec in signature.inputs.items():
            table.add_row(escape(names), "input", escape(tensor), spec.dtype, _shape(spec.shape), "")
        for tensor, spec in signature.outputs.items():
            activation = escape(_activation(heads[tensor])) if tensor in heads else ""
            table.add_row(escape(names), "output", escape(tensor), spec.dtype, _shape(spec.shape), activation)
    return table


def _distinct(model: SavedModel) -> list[tuple[str, Signature, Mapping[str, DetectedHead]]]:
    """Signatures with their names and heads; Keras exports one and the same under two names."""
    found: list[tuple[str, Signature, Mapping[str, DetectedHead]]] = []
    for name, signature in model.signatures.items():
        heads = model.detected.get(name, {})
        last = found[-1] if found else None
        if last is not None and last[1] == signature and _sources(last[2]) == _sources(heads):
            found[-1] = (f"{last[0]}, {name}", signature, heads)
        else:
            found.append((name, signature, heads))
    return found


def _sources(heads: Mapping[str, DetectedHead]) -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Each output's activation, and the op that made it."""
    return {name: (head.activation, head.path[-1:]) for name, head in heads.items()}


def _detected(model: SavedModel) -> Iterator[str]:
    """Such as `output_0: sigmoid, 1 unit, as the graph shows: Sigmoid dense/Sigmoid`."""
    for _, _, heads in _distinct(model):
        for output, head in heads.items():
            units = "unknown units" if head.units is None else f"{head.units} unit{'s' if head.units != 1 else ''}"
            shown = "; the graph ends in" if head.activation == UNKNOWN else ", as the graph shows:"
            source = f"{shown} {head.path[-1]}" if head.path else ""
            yield escape(f"{output}: {_activation(head)}, {units}{source}")


def _keras_outputs(path: str, model: KerasModel) -> Table:
    table = _table(path, "output", "units", "activation", "made by", "loss", "metrics")
    for name, output in model.outputs.items():
        units = "?" if output.head.units is None else str(output.head.units)
        made = escape(output.head.path[-1] if output.head.path else "")
        training = map(escape, _training(output.training))
        table.add_row(escape(name), units, escape(_activation(output.head)), made, *training)
    return table


def _training(training: TrainingConfig) -> tuple[str, str]:
    """Such as `binary_crossentropy(from_logits=True)` and `accuracy, auc`."""
    metrics = ", ".join(metric.name for metric in training.metrics)
    loss = training.loss
    if loss is None:
        return "-", metrics or "-"
    return loss.name + ("" if loss.from_logits is None else f"(from_logits={loss.from_logits})"), metrics or "-"


def _activation(head: DetectedHead) -> str:
    """Such as `sigmoid`, or `sigmoid on relu`."""
    return head.activation if head.beneath is None else f"{head.activation} on {head.beneath}"


def _table(title: str, *names: str) -> Table:
    """Columns go on in the next line where they are too narrow, and hide nothing."""
    columns = [Column(name, overflow="fold") for name in names]
    return Table(*columns, title=escape(title) or None, title_justify="left")


def _shape(shape: tuple[int | None, ...] | None) -> str:
    sizes = "any" if shape is None else ", ".join("?" if size is None else str(size) for size in shape)
    return f"({sizes})"


def _verdict(one: Inspected) -> str:
    if one.refused:
        return "[bold red]refused[/]"
    if isinstance(one.model, KerasModel):
        return "nothing is wrong" if not one.diagnostics else "what its layers and its training say:"
    return "no head card: only its raw numbers can be read" if one.card is None else "the card fits"
