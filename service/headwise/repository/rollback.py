"""Takes a card back: an older document becomes the newest revision."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from headwise.errors import InvalidCardError, UnreadableModelError
from headwise.repository.card_change import Changed, change_document
from headwise.repository.examination import examine_document
from headwise.repository.revisions import find_revision, previous, read_revisions


@dataclass(frozen=True, slots=True)
class RolledBack:
    """restored: the number of the revision whose document was written again."""

    restored: int
    changed: Changed


def roll_back(version: Path, number: int | None = None) -> RolledBack:
    """Write the card of a revision again, as it was byte for byte; the last before the card that is there if left out.

    Raises: InvalidCardError for a revision that is not there or that does not fit the model as it is;
    UnreadableModelError; ConfigurationError if it cannot be written.
    """
    current = next((one for one in read_revisions(version) if one.is_current), None)
    wanted = previous(version) if number is None else find_revision(version, number)
    if current is not None and wanted.document == current.document:
        raise InvalidCardError(f"{version}: its head card is as revision {wanted.number} was already")
    refusal = examine_document(version, wanted.file, wanted.document).refusal
    if isinstance(refusal, InvalidCardError | UnreadableModelError):
        raise refusal
    digest = None if current is None else hashlib.sha256(current.document).hexdigest()
    return RolledBack(wanted.number, change_document(version, wanted.document, instead_of=digest))
