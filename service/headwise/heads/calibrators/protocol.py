"""What every calibrator offers."""

from __future__ import annotations

from typing import ClassVar, Protocol

from headwise.heads.links import Float64
from headwise.heads.scores import Form, Scores


class Calibrator(Protocol):
    """A fitted map from canonical logits to probabilities; its fields are its parameters in the card."""

    FORMS: ClassVar[frozenset[Form]]
    """The canonical logits it can be applied to."""

    MONOTONE: ClassVar[frozenset[Form]]
    """Where the probability of a class, label or step never falls as its own logit rises."""

    KEEPS_ARGMAX: ClassVar[frozenset[Form]]
    """Where the default decision (argmax, or one half) is that of the canonical logits, ties included."""

    @property
    def method(self) -> str:
        """Its name in the card."""

    @property
    def classes(self) -> int | None:
        """How many classes or labels its parameters are for; None where any number will do."""

    def scores(self, logits: Float64, form: Form, /) -> Scores:
        """Canonical logits (rows, k) float64 of `form` -> calibrated scores; each row for itself."""
