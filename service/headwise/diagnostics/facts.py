"""All that is known of one output, from every source; what is not known is None."""

from __future__ import annotations

from dataclasses import dataclass

from headwise.diagnostics.data import DataFacts
from headwise.heads import Head
from headwise.savedmodel.detected import UNKNOWN, DetectedHead
from headwise.savedmodel.training_config import UNTRAINED, TrainingConfig

NO_DATA = DataFacts()


@dataclass(frozen=True, slots=True)
class Facts:
    """where: as in Diagnostic. dtype: the output's. labels: how many the user gave, where there is no card yet.

    fingerprint: the model's. card_fingerprint: of the model that the card was written for. fitted_fingerprint: of the
    model that the evidence was measured on. expired: since when the calibration is, as the evidence has it.
    cardless: the model stands in a repository without a card. golden: what its golden records did not get.
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
    fitted_fingerprint: str | None = None
    expired: str | None = None
    cardless: bool = False
    golden: str | None = None

    @property
    def activation(self) -> str | None:
        """What was applied last: as the graph proves it, else as the card declares it."""
        if self.detected is not None and self.detected.activation != UNKNOWN:
            return self.detected.activation
        return None if self.declared is None else self.declared.activation

    @property
    def units(self) -> int | None:
        """As the graph says, else as the numbers have it."""
        if self.detected is not None and self.detected.units is not None:
            return self.detected.units
        return None if self.numbers.raw is None else self.numbers.raw.units

    @property
    def shown(self) -> str:
        """Such as `one sigmoid unit`, `3 softmax units`."""
        if self.units is None:
            return f"a {self.activation} output"
        return f"one {self.activation} unit" if self.units == 1 else f"{self.units} {self.activation} units"

    @property
    def is_classifier(self) -> bool:
        """Somebody said so: the card, or labels."""
        if self.declared is not None:
            return self.declared.task != "regression"
        return bool(self.labels)

    @property
    def numbers(self) -> DataFacts:
        """What the data says; nothing where there is none."""
        return self.data or NO_DATA
