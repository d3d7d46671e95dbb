"""One version of a model as the gateway sees it: its signatures, its card, or why it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from headwise.diagnostics.suggestion import Suggestion, suggest
from headwise.errors import HeadConfigError, HeadNotFoundError, HeadwiseError
from headwise.heads import Head
from headwise.repository.cards import CARD_PATH, CardFile
from headwise.repository.examination import examine
from headwise.savedmodel import Signature

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A version's signatures and card.

    card: None where there is none, or where it is refused. refusal: why neither card nor model can be used.
    waiting: why what stands on disk now is refused, while this last good card answers on. suggestion: what would
    write the card that is not there.
    """

    name: str
    version: int
    signatures: Mapping[str, Signature]
    card: CardFile | None = None
    refusal: HeadwiseError | None = None
    waiting: HeadwiseError | None = None
    suggestion: Suggestion | None = None

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
            raise HeadNotFoundError(f"{self} has {self.no_card}")
        return self.card

    @property
    def no_card(self) -> str:
        """What is missing where there is no card, and what would mend it."""
        mend = f"write one ({CARD_PATH})" if self.suggestion is None else f"the graph shows that {self.suggestion}"
        return f"no head card, so only its raw numbers can be read, with :predict; {mend}"

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
    """Read a version folder; a refusal is part of the result, never raised. What else is wrong is logged."""
    found = examine(folder)
    if found.model is None:
        return ServedModel(name, version, {}, refusal=found.refusal)
    for one in found.diagnostics:
        if one.severity != "info":
            _log.warning(
                "head diagnosed", model=name, version=version, code=one.code, where=one.where, reason=one.message
            )
    suggestion = suggest(folder, found.model) if found.card is None and found.refusal is None else None
    return ServedModel(name, version, found.model.signatures, found.card, found.refusal, suggestion=suggestion)
