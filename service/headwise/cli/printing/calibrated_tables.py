"""What `headwise calibrate` prints in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from headwise.cli.printing import diagnostics, evidence
from headwise.cli.printing.heads_table import calibrator_text, decision_text, prior_text
from headwise.cli.printing.notes import show_unused

if TYPE_CHECKING:
    from headwise.repository.card_change import Changed
    from headwise.training.calibrating.calibrate_version import CalibratedVersion


def show(console: Console, calibrated: CalibratedVersion, changed: Changed | None, drawn: Sequence[Path]) -> None:
    """Each head, what came out and why; what was written. changed: None of a dry run."""
    subject = calibrated.subject
    for output, one in calibrated.heads.items():
        head = calibrated.card.signatures[subject.signature_name].heads[output]
        console.print(
            f"[bold]{escape(str(subject.version))}[/] {escape(output)}: {head.task}, {head.activation}, labels "
            f"{escape(', '.join(head.labels))}",
            soft_wrap=True,
        )
        evidence.show(console, one.evidence)
        lines = (f"calibration: {calibrator_text(head.calibration)}", *prior_text(head.prior))
        for line in (*lines, f"decision: {decision_text(head)}"):
            console.print(escape(line), soft_wrap=True)
    for output in subject.passed_over:
        console.print(f"{escape(output)}: a regression has no probabilities to calibrate", soft_wrap=True)
    show_unused(console, calibrated.unused)
    diagnostics.show(console, calibrated.diagnostics)
    for file in drawn:
        console.print(f"[bold green]written[/] {escape(str(file))}", soft_wrap=True)
    if changed is None:
        console.print("dry run: the card is as it was")
        return
    console.print(
        f"[bold green]written[/] {escape(str(changed.file))}: revision {changed.revision}; headwise card rollback "
        f"{escape(str(subject.version))} takes it back",
        soft_wrap=True,
    )
    if changed.golden:
        console.print(f"  golden records: {changed.golden} decided anew by this card", soft_wrap=True)
