"""headwise evaluate"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from headwise.cli.options import Data, Json, ModelDir
from headwise.cli.printing import diagnostics, document
from headwise.cli.printing.notes import show_unused
from headwise.cli.printing.progress import running
from headwise.savedmodel.signature import DEFAULT_SIGNATURE

if TYPE_CHECKING:
    from headwise.calibration.figures import Figure
    from headwise.training.evaluating.evaluate import Evaluation

_KERAS_FIGURE = {"MeanAbsoluteError": "mean_absolute_error"}
"""Which of the head's figures is asked of Keras; accuracy of all other metrics."""


def evaluate(
    model_dir: ModelDir,
    data: Data,
    output: Annotated[str | None, typer.Option(help="Only the head of this output.")] = None,
    signature: Annotated[str, typer.Option(help="The signature to run.")] = DEFAULT_SIGNATURE,
    json: Json = False,
) -> None:
    """Score a version on held-out rows: by Keras's own accuracy, by its head card, and why they differ.

    The file's targets are class indices or labels, 0/1 a label (multilabel) or values; of several heads, targets.NAME
    each.

    Needs TensorFlow. Exit code 1 if a diagnostic is an error.
    """
    from headwise.repository.sources import version_folder
    from headwise.training.evaluating.evaluate import evaluate as evaluate_version

    version = version_folder(model_dir)
    with running() as progress:
        evaluations = evaluate_version(version, data, signature, output=output, progress=progress)
    if json:
        document.show(_document(version, evaluations))
    else:
        console = Console(highlight=False)
        for evaluation in evaluations:
            _show(console, version, evaluation)
        show_unused(console, evaluations[0].unused)
    if any(found.severity == "error" for evaluation in evaluations for found in evaluation.diagnostics):
        raise typer.Exit(1)


def _show(console: Console, version: Path, evaluation: Evaluation) -> None:
    head = evaluation.head
    labels = f", labels {', '.join(head.labels)}" if head.labels else ""
    console.print(
        f"[bold]{escape(str(version))}[/] {escape(evaluation.output)}: {head.task}, {head.activation}"
        f"{escape(labels)}; {evaluation.rows} rows",
        soft_wrap=True,
    )
    console.print(_figures(evaluation))
    if evaluation.figures.by_label:
        console.print(_by_label(evaluation))
    if evaluation.figures.confusion is not None:
        console.print(_confusion(evaluation))
    for sentence in evaluation.explanation:
        console.print(escape(sentence), soft_wrap=True)
    diagnostics.show(console, evaluation.diagnostics)


def _figures(evaluation: Evaluation) -> Table:
    """Keras's one figure beside the head's own of that name."""
    keras, overall = evaluation.keras, evaluation.figures.overall
    same = _KERAS_FIGURE.get(keras.metric, "accuracy")
    table = Table("figure", Column(f"Keras ({keras.metric})", justify="right"), Column("headwise", justify="right"))
    for name, value in overall.items():
        table.add_row(_spaced(name), _number(keras.value) if name == same else "", _number(value))
    return table


def _by_label(evaluation: Evaluation) -> Table:
    by_label = evaluation.figures.by_label
    names = next(iter(by_label.values())).keys()
    table = Table(Column("label", overflow="fold"), *(Column(_spaced(name), justify="right") for name in names))
    for label, values in by_label.items():
        table.add_row(escape(label), *map(_number, values.values()))
    return table


def _confusion(evaluation: Evaluation) -> Table:
    labels, counts = evaluation.head.labels, evaluation.figures.confusion
    assert counts is not None
    columns = (Column(escape(label), justify="right", overflow="fold") for label in labels)
    table = Table(Column("target \\ answer", overflow="fold"), *columns)
    for label, row in zip(labels, counts.tolist(), strict=True):
        table.add_row(escape(label), *map(str, row))
    return table


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _number(value: Figure) -> str:
    return "-" if value is None else f"{value:.4f}"


def _document(version: Path, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    return {
        "version": str(version),
        "unused_columns": evaluations[0].unused,
        "heads": {each.output: _head_document(each) for each in evaluations},
    }


def _head_document(evaluation: Evaluation) -> dict[str, Any]:
    head, applied, figures = evaluation.head, evaluation.applied, evaluation.figures
    return {
        "task": head.task,
        "activation": head.activation,
        "labels": head.labels,
        "rows": evaluation.rows,
        "decision": {"rule": applied.rule, "cuts": applied.cuts, "source": applied.source},
        "keras": {"metric": evaluation.keras.metric, "value": evaluation.keras.value},
        "headwise": {
            **figures.overall,
            **({"by_label": figures.by_label} if figures.by_label else {}),
            **({} if figures.confusion is None else {"confusion_matrix": figures.confusion.tolist()}),
        },
        "explanation": evaluation.explanation,
        "diagnostics": [diagnostics.document(found) for found in evaluation.diagnostics],
    }
