"""Where models lie: a folder of models, or the models that a TensorFlow Serving model config file lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from google.protobuf import text_format

from headwise.errors import ConfigurationError, UnreadableModelError
from headwise.tfserving import model_server_config_pb2

MAX_VERSION = 2**63 - 1
_VERSION = re.compile(r"\d+", re.ASCII)
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class ModelLocation:
    """A model's folder, and the labels that its configuration gives to versions."""

    base_path: Path
    labels: Mapping[str, int] = field(default_factory=dict)

    def versions(self) -> dict[int, Path]:
        """The version folders by number; none where the folder is missing."""
        try:
            children = [child for child in self.base_path.iterdir() if child.is_dir()]
        except (OSError, ValueError):  # ValueError: no path can be written so
            return {}
        numbered = {int(child.name): child for child in sorted(children) if _VERSION.fullmatch(child.name)}
        return {number: numbered[number] for number in sorted(numbered) if number <= MAX_VERSION}


def version_folder(model_dir: Path) -> Path:
    """The version that MODEL_DIR names: models/NAME/VERSION itself, or the newest of models/NAME.

    Raises: UnreadableModelError.
    """
    try:
        if (model_dir / "saved_model.pb").exists():
            return model_dir
        next(model_dir.iterdir(), None)
    except OSError as error:
        raise UnreadableModelError(
            f"{model_dir}: {error.strerror}; name a model (models/NAME) or a version of it"
        ) from error
    versions = ModelLocation(model_dir).versions()
    if not versions:
        raise UnreadableModelError(f"{model_dir}: holds neither saved_model.pb nor numbered versions")
    return versions[max(versions)]


class ModelSource(Protocol):
    """Lists the models that are meant to be served."""

    def locations(self) -> Mapping[str, ModelLocation]:
        """Model names to locations, as they are now; ConfigurationError where that cannot be told."""


@dataclass(frozen=True, slots=True)
class ModelsFolder:
    """Every sub-folder with a numbered version in it is a model of that name."""

    folder: Path

    def locations(self) -> Mapping[str, ModelLocation]:
        """Folders that appear later are found at the next look.

        Raises: ConfigurationError if the folder cannot be listed.
        """
        try:
            children = sorted(self.folder.iterdir())
        except OSError as error:
            raise ConfigurationError(f"{self.folder}: cannot be listed: {error.strerror}") from error
        found = {child.name: ModelLocation(child) for child in children if MODEL_NAME.fullmatch(child.name)}
        return {name: location for name, location in found.items() if location.versions()}


@dataclass(frozen=True, slots=True)
class ModelConfigFile:
    """TensorFlow Serving's model config file, read anew at each look."""

    file: Path

    def locations(self) -> Mapping[str, ModelLocation]:
        """The models of its model_config_list.

        Raises: ConfigurationError if the file cannot be read.
        """
        config = model_server_config_pb2.ModelServerConfig()
        try:
            text_format.Parse(self.file.read_text("utf-8"), config, allow_unknown_field=True)
        except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
            raise ConfigurationError(f"{self.file}: no model config file: {error}") from error
        return {
            model.name: ModelLocation(Path(model.base_path), dict(model.version_labels))
            for model in config.model_config_list.config
        }


def model_source(models: Path, model_config_file: Path | None) -> ModelSource:
    """The config file where there is one, else the folder.

    Raises: ConfigurationError if that cannot be read.
    """
    if model_config_file is not None:
        source = ModelConfigFile(model_config_file)
        source.locations()
        return source
    if not models.is_dir():
        raise ConfigurationError(
            f"{models}: no such folder; name the model repository (NAME/VERSION/ folders) with --models"
        )
    return ModelsFolder(models)
