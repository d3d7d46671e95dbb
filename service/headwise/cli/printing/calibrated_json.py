"""What `headwise calibrate --json` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from headwise.cli.printing import diagnostics
from headwise.repository.card_writer import card_json

if TYPE_CHECKING:
    from headwise.repository.card_change import Changed
    from headwise.training.calibrating.calibrate_version import CalibratedVersion


def document(calibrated: CalibratedVersion, changed: Changed | None, drawn: Sequence[Path]) -> dict[str, Any]:
    """changed: None of a dry run."""
    subject, card = calibrated.subject, orjson.loads(card_json(calibrated.card))
    heads = card["signatures"][subject.signature_name]["heads"]
    return {
        "version": str(subject.version),
        "file": None if changed is None else str(changed.file),
        "revision": None if changed is None else changed.revision,
        "golden_records": None if changed is None else changed.golden,
        "dry_run": changed is None,
        "written": list(map(str, drawn)),
        "unused_columns": calibrated.unused,
        "passed_over": subject.passed_over,
        "heads": {
            output: {"chosen": one.chosen, "head": heads[output], "evidence": card["evidence"][output]}
            for output, one in calibrated.heads.items()
        },
        "diagnostics": [diagnostics.document(found) for found in calibrated.diagnostics],
    }
