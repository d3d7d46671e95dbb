"""A version folder with its head card, and what the next version that is made from it carries on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headwise.diagnostics.suggestion import suggest
from headwise.diagnostics.survey import MODEL_FINGERPRINT
from headwise.errors import HeadNotFoundError
from headwise.heads import Head, HeadCard
from headwise.repository.card_writer import write_card
from headwise.repository.cards import CARD_PATH, fitted
from headwise.repository.examination import examine
from headwise.repository.revisions import HISTORY_PATH
from headwise.savedmodel import SavedModel, read


@dataclass(frozen=True, slots=True)
class CardedVersion:
    """A version whose card is valid."""

    folder: Path
    saved: SavedModel
    card: HeadCard

    def heads(self, signature_name: str, output: str | None = None) -> Mapping[str, Head]:
        """The heads of a signature by output name; `output` chooses one.

        Raises: HeadNotFoundError, naming those that there are.
        """
        heads = self.card.heads_of(signature_name)
        if not heads:
            raise HeadNotFoundError(
                f"{self.folder}: the card describes no head of signature {signature_name!r}; "
                f"it describes those of {_listed(self.card.signatures)}"
            )
        if output is None:
            return heads
        if output not in heads:
            raise HeadNotFoundError(f"{self.folder}: no head {output!r}; the card describes {_listed(heads)}")
        return {output: heads[output]}


def read_carded(folder: Path) -> CardedVersion:
    """Read a version folder and its card.

    Raises: UnreadableModelError; InvalidCardError if the card is refused; HeadNotFoundError if there is none.
    """
    found = examine(folder)
    if found.refusal is not None:
        raise found.refusal
    assert found.model is not None
    if found.card is None:
        suggestion = suggest(folder, found.model)
        shown = "" if suggestion is None else f"; the graph shows that {suggestion}"
        raise HeadNotFoundError(f"{folder}: has no head card ({CARD_PATH}){shown}")
    return CardedVersion(folder, found.model, found.card.card)


def carry_on(version: Path, draft: Path, card: HeadCard) -> HeadCard:
    """Give the draft of the next version all of `assets.extra`, and a card, which is fitted to it and returned.

    The cards that the old version had before stay behind: they were written for its graph. A calibration comes along,
    for the draft computes the same; its evidence names the draft.

    Raises: InvalidCardError if the draft's graph contradicts the card.
    """
    extra, saved = CARD_PATH.parent, read(draft)
    left_behind = shutil.ignore_patterns(CARD_PATH.name, HISTORY_PATH.name)
    shutil.copytree(version / extra, draft / extra, dirs_exist_ok=True, ignore=left_behind)
    evidence = {output: _of_model(told, saved.fingerprint) for output, told in card.evidence.items()}
    write_card(draft, fitted(replace(card, evidence=evidence), saved))
    return read_carded(draft).card


def _of_model(evidence: Any, fingerprint: str | None) -> Any:
    """Evidence that names a model, as of this one."""
    if isinstance(evidence, Mapping) and MODEL_FINGERPRINT in evidence:
        return {**evidence, MODEL_FINGERPRINT: fingerprint}
    return evidence


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(map(repr, names)) or "none"
