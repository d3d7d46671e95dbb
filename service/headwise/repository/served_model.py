"""One version of a model as the gateway sees it: its signatures, its card, or why it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headwise import savedmodel
from headwise.errors import (
    HeadConfigError,
    HeadNotFoundError,
    HeadwiseError,
    InvalidCardError,
    UnreadableModelError,
)
from headwise.heads import Head
from headwise.repository.cards import CARD_PATH, CardFile, check_card, read_card
from headwise.savedmodel import Signature


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A version's signatures and card.

    card: None where there is none, or where it is refused. refusal: why neither card nor model can be used.
    waiting: why what stands on disk now is refused, while this last good card answers on.
    """

    name: str
    version: int
    signatures: Mapping[str, Signature]
    card: CardFile | None = None
    refusal: HeadwiseError | None = None
    waiting: HeadwiseError | None = None

    def __str__(self) -> str:
        return f"model {self.name} version {self.version}"

    def check_not_refused(self) -> None:
        """Raises: HeadConfigError if card or model is refused."""
        if self.refusal is not None:
            raise HeadConfigError(f"{self} is refused: {self.refusal}")

    def valid_card(self) -> CardFile:
        """The card.

        Raises: HeadConfigError if it is refused; HeadNotFoundError if there is none.
        """
        self.check_not_refused()
        if self.card is None:
            raise HeadNotFoundError(
                f"{self} has no head card: write {CARD_PATH}, or read its raw numbers with :predict"
            )
        return self.card

    def signature(self, signature_name: str) -> Signature:
        """A signature that has heads.

        Raises: HeadConfigError if the card is refused; HeadNotFoundError if the card says nothing of it.
        """
        card = self.valid_card().card
        described = [name for name, signature in card.signatures.items() if signature.heads]
        if signature_name not in described:
            raise HeadNotFoundError(
                f"the card of {self} describes no head of signature {signature_name!r}; "
                f"it describes: {', '.join(map(repr, described)) or 'none'}"
            )
        return self.signatures[signature_name]

    def heads(self, signature_name: str) -> Mapping[str, Head]:
        """The heads of a signature by output name; raises as `signature` does."""
        self.signature(signature_name)
        return self.valid_card().card.signatures[signature_name].heads


def load(name: str, version: int, folder: Path) -> ServedModel:
    """Read a version folder; a refusal is part of the result, never raised."""
    try:
        model = savedmodel.read(folder)
    except UnreadableModelError as error:
        return ServedModel(name, version, {}, refusal=error)
    try:
        card = read_card(folder)
        if card is not None:
            check_card(card.card, model)
    except InvalidCardError as error:
        where = "" if str(folder) in str(error) else f"{folder / CARD_PATH}: "
        return ServedModel(name, version, model.signatures, refusal=type(error)(f"{where}{error}"))
    return ServedModel(name, version, model.signatures, card)
