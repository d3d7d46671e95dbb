"""Looks at one version folder: its SavedModel, its card, and what the two say of each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from headwise import savedmodel
from headwise.diagnostics.diagnostic import Diagnostic
from headwise.diagnostics.survey import of_saved_model
from headwise.errors import CalibrationMismatchError, HeadwiseError, InvalidCardError, UnreadableModelError
from headwise.heads import HeadCard
from headwise.repository.cards import CARD_PATH, CardFile, card_file, check_card, read_card
from headwise.savedmodel import SavedModel

CONTRADICTION = "HW108"
OTHER_MODEL = "HW116"
NO_CARD = "HW124"

_REFUSING: Mapping[str, type[InvalidCardError]] = {
    CONTRADICTION: InvalidCardError,
    OTHER_MODEL: CalibrationMismatchError,
}
"""Errors that stop a card: it is proved wrong. Others may be wrong, and are told."""


@dataclass(frozen=True, slots=True)
class Examination:
    """model: None if it cannot be read. card: None where there is none, or where it is refused.

    refusal: why model or card is refused. diagnostics: what else is to be said of them.
    """

    model: SavedModel | None
    card: CardFile | None = None
    refusal: HeadwiseError | None = None
    diagnostics: tuple[Diagnostic, ...] = ()


def examine(folder: Path) -> Examination:
    """Read a version folder; a refusal is part of the result, never raised."""
    return _examine(folder, folder / CARD_PATH, lambda: read_card(folder))


def examine_document(folder: Path, file: Path, document: bytes) -> Examination:
    """As `examine`, with the document of another file in the card's place."""
    return _examine(folder, file, lambda: card_file(file, document))


def _examine(folder: Path, file: Path, read: Callable[[], CardFile | None]) -> Examination:
    try:
        model = savedmodel.read(folder)
    except UnreadableModelError as error:
        return Examination(None, refusal=error)
    try:
        card = read()
        found = of_saved_model(model, None if card is None else card.card)
        if card is not None:
            check_card(card.card, model)
            _check_proved(card.card, found)
    except InvalidCardError as error:
        where = "" if str(folder) in str(error) else f"{file}: "
        of_graph = tuple(one for one in of_saved_model(model, None) if one.code != NO_CARD)
        return Examination(model, refusal=type(error)(f"{where}{error}"), diagnostics=of_graph)
    return Examination(model, card, diagnostics=found)


def _check_proved(card: HeadCard, found: tuple[Diagnostic, ...]) -> None:
    """Raises: InvalidCardError where the graph proves the card wrong, CalibrationMismatchError for another's."""
    for one in found:
        if one.severity == "error" and one.code in _REFUSING:
            key = "model.fingerprint" if one.code == OTHER_MODEL else _key(card, one.where)
            raise _REFUSING[one.code](f"{key}: {one.message}. {one.fix.rstrip('.')} ({one.code})")


def _key(card: HeadCard, where: str) -> str:
    """The card's own key for `signature.output`."""
    keys = {
        f"{name}.{output}": f"signatures.{name}.heads.{output}"
        for name, signature in card.signatures.items()
        for output in signature.heads
    }
    return keys.get(where, where)
