"""The cards that a version had: each that was replaced stays in `assets.extra/head.history`, by number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from headwise.errors import InvalidCardError, UnreadableModelError
from headwise.repository.cards import CARD_PATH
from headwise.repository.replacement import add_file

HISTORY_PATH = CARD_PATH.with_name("head.history")
"""Where replaced cards stay: 0001.json, 0002.json, ... as they were, byte for byte."""

_FILE = re.compile(r"(\d{4,})\.json", re.ASCII)


@dataclass(frozen=True, slots=True)
class Revision:
    """number: from 1, the oldest. document: its bytes. is_current: it is the version's card, not a replaced one."""

    number: int
    file: Path
    document: bytes
    is_current: bool


def read_revisions(version: Path) -> tuple[Revision, ...]:
    """All cards of a version folder, oldest first; the last is its card, where it has one.

    Raises: UnreadableModelError for a file that cannot be read.
    """
    replaced = [Revision(number, file, _bytes(file), is_current=False) for number, file in _files(version).items()]
    card = version / CARD_PATH
    if not card.exists():
        return tuple(replaced)
    document = _bytes(card)
    if _is_kept(replaced, document):
        last = replaced.pop()
        return (*replaced, Revision(last.number, card, document, is_current=True))
    following = replaced[-1].number + 1 if replaced else 1
    return (*replaced, Revision(following, card, document, is_current=True))


def find_revision(version: Path, number: int | None = None) -> Revision:
    """A revision by its number; the version's card if left out.

    Raises: InvalidCardError where there is none of that number, naming those that there are; as `read_revisions`.
    """
    revisions = read_revisions(version)
    wanted = revisions[-1:] if number is None else tuple(one for one in revisions if one.number == number)
    if number is None and wanted and not wanted[0].is_current:
        wanted = ()
    if not wanted:
        what = "no head card" if number is None else f"no revision {number} of its head card"
        listed = ", ".join(str(one.number) for one in revisions) or "none"
        raise InvalidCardError(f"{version}: has {what} ({CARD_PATH}); its revisions are {listed}")
    return wanted[0]


def previous(version: Path, number: int | None = None) -> Revision:
    """The last revision before this one; if left out, before the version's card, or the last of a card that is gone.

    Raises: InvalidCardError where there is none; as `read_revisions`.
    """
    revisions = read_revisions(version)
    before = [one for one in revisions if (not one.is_current if number is None else one.number < number)]
    if not before:
        raise InvalidCardError(f"{version}: its head card has no revision before {number or 'the one that is there'}")
    return before[-1]


def keep(version: Path, document: bytes) -> Path | None:
    """Put the card that is about to be replaced into the history; returns its file, None if it is there already.

    It is there already where a writer was killed before it could replace the card.

    Raises: OSError.
    """
    while True:
        files = _files(version)
        kept = [Revision(number, file, _bytes(file), is_current=False) for number, file in [*files.items()][-1:]]
        if _is_kept(kept, document):
            return None
        file = version / HISTORY_PATH / f"{max(files, default=0) + 1:04}.json"
        try:
            add_file(file, document)
        except FileExistsError:  # another writer took the number, where the file system has no locks
            continue
        return file


def _is_kept(replaced: list[Revision], document: bytes) -> bool:
    return bool(replaced) and replaced[-1].document == document


def _files(version: Path) -> dict[int, Path]:
    """By number, rising."""
    try:
        names = [child.name for child in (version / HISTORY_PATH).iterdir()]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UnreadableModelError(f"{version / HISTORY_PATH}: {error.strerror}") from error
    numbers = sorted((int(match[1]), name) for name in names if (match := _FILE.fullmatch(name)))
    return {number: version / HISTORY_PATH / name for number, name in numbers}


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnreadableModelError(f"{file}: {error.strerror}") from error
