"""What a served version is worth on held-out rows: by Keras's own accuracy, and by its head card."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from headwise.calibration.figures import Figures, figures
from headwise.calibration.targets import check_targets
from headwise.diagnostics.catalogue import diagnose
from headwise.diagnostics.data import observe
from headwise.diagnostics.diagnostic import Diagnostic
from headwise.diagnostics.facts import Facts
from headwise.diagnostics.survey import facts_of_saved_model
from headwise.errors import InvalidRequestError
from headwise.heads import Applied, Head
from headwise.heads.contract import with_units
from headwise.savedmodel.signature import DEFAULT_SIGNATURE
from headwise.training.evaluating.keras_accuracy import KerasAccuracy, explain, keras_accuracy
from headwise.training.holdout import LabelledRows, read_rows
from headwise.training.run import Progress, raw_outputs
from headwise.training.version import read_carded


@dataclass(frozen=True)
class Evaluation:
    """One head on the held-out rows.

    applied: the decision rule, and who set it. explanation: why Keras's figure differs, or why it does not.
    unused: the data's columns that are neither input nor target.
    """

    output: str
    head: Head
    rows: int
    applied: Applied
    keras: KerasAccuracy
    figures: Figures
    explanation: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]
    unused: tuple[str, ...] = ()


def evaluate(
    version: Path,
    data: Path,
    signature_name: str = DEFAULT_SIGNATURE,
    *,
    output: str | None = None,
    progress: Progress | None = None,
) -> tuple[Evaluation, ...]:
    """Run the held-out rows of a file through a version folder and score its heads; `output` chooses one.

    Raises: HeadNotFoundError without a head card, InvalidCardError if it is refused, InvalidRequestError for data
    that does not fit, HeadMismatchError if the output contradicts the card; and what `raw_outputs` raises.
    """
    carded = read_carded(version)
    heads = carded.heads(signature_name, output)
    rows = read_rows(data, carded.saved.signatures[signature_name], heads)
    raw = raw_outputs(version, rows.inputs, signature_name, outputs=tuple(heads), progress=progress)
    facts = {found.where: found for found in facts_of_saved_model(carded.saved, carded.card)}
    return tuple(
        _evaluation(name, head, raw[name], rows, facts[f"{signature_name}.{name}"]) for name, head in heads.items()
    )


def _evaluation(name: str, head: Head, raw: NDArray[Any], rows: LabelledRows, facts: Facts) -> Evaluation:
    raw, given = with_units(raw), rows.targets[name]
    try:
        targets = check_targets(given, head, raw.shape)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"output {name!r}: {error}") from error
    prediction = head.answer(raw)
    scored = figures(prediction, targets)
    keras = keras_accuracy(raw, targets, head)
    return Evaluation(
        name,
        head,
        len(targets),
        prediction.applied,
        keras,
        scored,
        explain(keras, prediction, scored, targets, head),
        diagnose(replace(facts, data=observe(raw, given))),
        rows.unused,
    )
