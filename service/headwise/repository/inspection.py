"""What `headwise inspect` reads: a SavedModel, a model, a whole repository, or a .keras file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from headwise.diagnostics.catalogue import code_in
from headwise.diagnostics.diagnostic import Diagnostic
from headwise.diagnostics.suggestion import suggest
from headwise.diagnostics.survey import of_keras
from headwise.errors import HeadwiseError, UnreadableModelError
from headwise.repository.cards import CardFile
from headwise.repository.examination import NO_CARD, Examination, examine
from headwise.repository.golden_file import read_golden
from headwise.repository.sources import MODEL_NAME, ModelLocation
from headwise.savedmodel import SavedModel
from headwise.savedmodel.keras import KerasModel, read_keras

GOLDEN_RECORDS = "HW120"
_MEND_GOLDEN = "Export the version again, or remove the file: until then the server refuses the version."


@dataclass(frozen=True, slots=True)
class Inspected:
    """A SavedModel or a .keras file.

    model: None if it cannot be read. card: None where there is none, or where it is refused.
    golden: how many golden records lie beside the card; None without a card, or where they cannot be read.
    """

    path: Path
    model: SavedModel | KerasModel | None
    card: CardFile | None
    diagnostics: tuple[Diagnostic, ...]
    refused: bool = False
    golden: int | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether there is an error; a refusal is one."""
        return any(found.severity == "error" for found in self.diagnostics)


@dataclass(frozen=True, slots=True)
class Inspection:
    """One model; of a repository every model's newest version."""

    models: tuple[Inspected, ...]
    is_repository: bool = False

    @property
    def is_wrong(self) -> bool:
        """Whether any of them is."""
        return any(one.is_wrong for one in self.models)


def inspect_path(path: Path) -> Inspection:
    """A version folder, a model (its newest version), a repository, or a .keras file.

    Raises: UnreadableModelError if it is none of them.
    """
    try:
        if path.is_file():
            return Inspection((_saved_model(path.parent) if path.name == "saved_model.pb" else _keras_file(path),))
        if (path / "saved_model.pb").exists():
            return Inspection((_saved_model(path),))
        if versions := ModelLocation(path).versions():
            return Inspection((_saved_model(versions[max(versions)]),))
        if models := _repository(path):
            return Inspection(models, is_repository=True)
    except OSError as error:
        raise UnreadableModelError(f"{path}: {error.strerror}") from error
    raise UnreadableModelError(f"{path}: no SavedModel, no model, no model repository and no .keras file")


def _repository(folder: Path) -> tuple[Inspected, ...]:
    """Its models, those whose folders cannot be listed among them."""
    children = (child for child in sorted(folder.iterdir()) if MODEL_NAME.fullmatch(child.name))
    return tuple(found for child in children if (found := _model(child)) is not None)


def _model(folder: Path) -> Inspected | None:
    """The newest version of a model; None for a folder that is none."""
    try:
        if not folder.is_dir() or not any(folder.iterdir()):
            return None
    except OSError as error:
        return _refused(folder, UnreadableModelError(f"{folder}: {error.strerror}"))
    versions = ModelLocation(folder).versions()
    return _saved_model(versions[max(versions)]) if versions else None


def _saved_model(folder: Path) -> Inspected:
    found = examine(folder)
    if found.refusal is not None:
        return _refused(folder, found.refusal, found)
    if found.card is None:
        return Inspected(folder, found.model, None, _with_command(folder, found))
    try:
        golden = len(read_golden(folder))
    except UnreadableModelError as error:
        unreadable = Diagnostic(GOLDEN_RECORDS, "error", "", str(error), _MEND_GOLDEN)
        return Inspected(folder, found.model, found.card, (unreadable, *found.diagnostics))
    return Inspected(folder, found.model, found.card, found.diagnostics, golden=golden)


def _with_command(folder: Path, found: Examination) -> tuple[Diagnostic, ...]:
    """A missing card is told once, with the command that writes it, and only where one can be written."""
    cardless = [one for one in found.diagnostics if one.code == NO_CARD]
    others = tuple(one for one in found.diagnostics if one.code != NO_CARD)
    suggestion = suggest(folder, found.model) if cardless and found.model is not None else None
    if suggestion is None or suggestion.attach is None:
        return others
    first, *more = cardless
    message = f"there is no head card; {suggestion.shown}" if more else first.message
    where = ", ".join(one.where for one in cardless)
    return (*others, replace(first, where=where, message=message, fix=suggestion.attach))


def _keras_file(file: Path) -> Inspected:
    try:
        model = read_keras(file)
    except UnreadableModelError as error:
        return _refused(file, error)
    return Inspected(file, model, None, of_keras(model))


def _refused(path: Path, error: HeadwiseError, found: Examination | None = None) -> Inspected:
    """The error's text says what is wrong and what to write instead: there is no fix apart from it."""
    found = found or Examination(None)
    refusal = Diagnostic(code_in(str(error)) or error.code, "error", "", str(error), "")
    others = (one for one in found.diagnostics if one.code != refusal.code)
    return Inspected(path, found.model, None, (refusal, *others), refused=True)
