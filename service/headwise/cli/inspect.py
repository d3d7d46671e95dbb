"""headwise inspect"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from headwise.cli.inspected import Inspected
from headwise.diagnostics.catalogue import code_in
from headwise.diagnostics.diagnostic import Diagnostic
from headwise.diagnostics.suggestion import suggest
from headwise.diagnostics.survey import of_keras
from headwise.errors import HeadwiseError, UnreadableModelError
from headwise.repository.examination import NO_CARD, examine
from headwise.repository.sources import MODEL_NAME, ModelLocation
from headwise.savedmodel.keras_model import read_keras


def inspect(
    path: Annotated[
        Path,
        typer.Argument(help="A version folder, a model (newest version), a model repository, or a .keras file."),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show a model's heads, how they are known, its head card, and what is wrong with them.

    Exit code 1 on errors: a card that is refused, a model that cannot be read, a head that answers wrongly.
    """
    inspected, is_repository = _inspected(path)
    if json:
        from headwise.cli.inspect_json import text

        typer.echo(text(inspected, by_path=is_repository))
    else:
        from headwise.cli.inspect_tables import show

        show(inspected)
    if any(one.is_wrong for one in inspected):
        raise typer.Exit(1)


def _inspected(path: Path) -> tuple[list[Inspected], bool]:
    """The path itself, the newest version of a model, or the newest versions of a repository's models.

    And whether it is a repository.

    Raises: UnreadableModelError if it is none of them.
    """
    try:
        if path.is_file():
            is_graph = path.name == "saved_model.pb"
            return [_saved_model(path.parent) if is_graph else _keras_file(path)], False
        if (path / "saved_model.pb").exists():
            return [_saved_model(path)], False
        if versions := ModelLocation(path).versions():
            return [_saved_model(versions[max(versions)])], False
        if path.is_dir() and (models := _repository(path)):
            return models, True
    except OSError as error:
        raise UnreadableModelError(f"{path}: {error.strerror}") from error
    raise UnreadableModelError(f"{path}: no SavedModel, no model, no model repository and no .keras file")


def _repository(folder: Path) -> list[Inspected]:
    """Its models, those whose folders cannot be listed among them."""
    children = (child for child in sorted(folder.iterdir()) if MODEL_NAME.fullmatch(child.name))
    return [found for child in children if (found := _model(child)) is not None]


def _model(folder: Path) -> Inspected | None:
    """The newest version of a model; None for a folder that is none."""
    try:
        if not folder.is_dir() or not any(folder.iterdir()):
            return None
    except OSError as error:
        return Inspected(
            folder, None, None, (_refusal(UnreadableModelError(f"{folder}: {error.strerror}")),), refused=True
        )
    versions = ModelLocation(folder).versions()
    return _saved_model(versions[max(versions)]) if versions else None


def _saved_model(folder: Path) -> Inspected:
    found = examine(folder)
    if found.model is not None and found.refusal is None:
        command = suggest(folder, found.model)
        told = (replace(one, fix=command) if one.code == NO_CARD and command else one for one in found.diagnostics)
        return Inspected(folder, found.model, found.card, tuple(told))
    refusal = _refusal(found.refusal or UnreadableModelError(str(folder)))
    others = (one for one in found.diagnostics if one.code != refusal.code)
    return Inspected(folder, found.model, None, (refusal, *others), refused=True)


def _keras_file(file: Path) -> Inspected:
    try:
        model = read_keras(file)
    except UnreadableModelError as error:
        return Inspected(file, None, None, (_refusal(error),), refused=True)
    return Inspected(file, model, None, of_keras(model))


def _refusal(error: HeadwiseError) -> Diagnostic:
    """Its text says what is wrong and what to write instead: there is no fix apart from it."""
    return Diagnostic(code_in(str(error)) or error.code, "error", "", str(error), "")
