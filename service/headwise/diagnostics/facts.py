"""All that is known of one output, from every source; what is not known is None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headwise.heads import Head
from headwise.savedmodel.detected import DetectedHead
from headwise.savedmodel.training_config import UNTRAINED, TrainingConfig

if TYPE_CHECKING:
    from headwise.diagnostics.data import DataFacts


@dataclass(frozen=True, slots=True)
class Facts:
    """where: as in Diagnostic. dtype: the output's. labels: how many the user gave, where there is no card yet.

    card_fingerprint: of the model that the card was written for.
    """

    where: str
    detected: DetectedHead | None = None
    declared: Head | None = None
    training: TrainingConfig = UNTRAINED
    dtype: str | None = None
    labels: int | None = None
    data: DataFacts | None = None
    fingerprint: str | None = None
    card_fingerprint: str | None = None
