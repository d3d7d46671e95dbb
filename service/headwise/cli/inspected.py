"""One model that `headwise inspect` has read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headwise.diagnostics.diagnostic import Diagnostic
from headwise.repository.cards import CardFile
from headwise.savedmodel import SavedModel
from headwise.savedmodel.keras_model import KerasModel


@dataclass(frozen=True, slots=True)
class Inspected:
    """A SavedModel or a .keras file.

    model: None if it cannot be read. card: None where there is none, or where it is refused.
    """

    path: Path
    model: SavedModel | KerasModel | None
    card: CardFile | None
    diagnostics: tuple[Diagnostic, ...]
    refused: bool = False

    @property
    def is_wrong(self) -> bool:
        """Whether there is an error; a refusal is one."""
        return any(found.severity == "error" for found in self.diagnostics)
