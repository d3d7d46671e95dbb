"""A version with its head card, for commands that print what is wrong instead of logging it."""

from __future__ import annotations

from pathlib import Path

from headwise.diagnostics.suggestion import suggest
from headwise.repository.examination import examine
from headwise.repository.served_model import ServedModel
from headwise.savedmodel import SavedModel


def described(version: Path) -> tuple[ServedModel, SavedModel]:
    """The version with a valid card, and its SavedModel.

    Raises: UnreadableModelError, HeadConfigError if the card is refused, HeadNotFoundError if there is none.
    """
    found = examine(version)
    if found.model is None:
        assert found.refusal is not None
        raise found.refusal
    suggestion = suggest(version, found.model) if found.card is None else None
    number = int(version.name) if version.name.isdecimal() else 0
    model = ServedModel(
        version.parent.name, number, found.model.signatures, found.card, found.refusal, suggestion=suggestion
    )
    model.valid_card()
    return model, found.model
