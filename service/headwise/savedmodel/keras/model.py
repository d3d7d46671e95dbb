"""Keras models as their configuration describes them: .keras archives, and models in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headwise.errors import UnreadableModelError
from headwise.savedmodel.detected import UNKNOWN, DetectedHead
from headwise.savedmodel.keras.archive import read_archive
from headwise.savedmodel.keras.detection import detect_output
from headwise.savedmodel.keras.graph import Ref, Scope, is_model, layer_name
from headwise.savedmodel.keras.serialised import is_object, is_sequence, mapping, text
from headwise.savedmodel.keras.training import count_outputs, read_training
from headwise.savedmodel.trail import shortened
from headwise.savedmodel.training_config import TrainingConfig


@dataclass(frozen=True, slots=True)
class KerasOutput:
    """One output: its last layers, and what it was trained with."""

    head: DetectedHead
    training: TrainingConfig


@dataclass(frozen=True, slots=True)
class KerasModel:
    """outputs: by the names that an export gives them (output_0, output_1, ..., or the keys of a dict)."""

    name: str
    outputs: Mapping[str, KerasOutput]
    keras_version: str | None = None


def read_keras(file: Path) -> KerasModel:
    """Read a .keras archive without Keras.

    Raises: UnreadableModelError.
    """
    config, metadata = read_archive(file)
    if not is_object(config):
        raise UnreadableModelError(f"{file}: config.json describes no model: it names no class and configuration")
    return replace(from_config(config), keras_version=text(metadata.get("keras_version")) or None)


def from_config(config: Mapping[str, Any], compile_config: Mapping[str, Any] | None = None) -> KerasModel:
    """Read what `keras.saving.serialize_keras_object(model)` and `model.get_compile_config()` give.

    compile_config: the one in `config` if left out. A subclassed model's layers are code: its outputs are unknown.
    """
    within = mapping(config.get("config"))
    compiled = mapping(config.get("compile_config") if compile_config is None else compile_config)
    name = text(within.get("name"))
    if not is_model(config):
        return KerasModel(name, _opaque(config, compiled))
    scope = Scope(within)
    trainings = read_training(compiled, [_names(scope, path, ref) for path, ref in scope.outputs])
    return KerasModel(
        name,
        {
            export_name: KerasOutput(_head(scope, ref), training)
            for export_name, (_, ref), training in zip(_export_names(scope), scope.outputs, trainings, strict=True)
        },
    )


def _head(scope: Scope, ref: Ref | None) -> DetectedHead:
    return DetectedHead(UNKNOWN, None) if ref is None else detect_output(scope, ref)


def _names(scope: Scope, path: tuple[str, ...], ref: Ref | None) -> tuple[str, ...]:
    """A key; the name of the layer, which a key of the same name goes before."""
    layer = () if ref is None else (layer_name(scope.layer(ref)),)
    return (*path[:1], *layer) if scope.has_keys else layer


def _export_names(scope: Scope) -> list[str]:
    """As `model.export` has them. It refuses outputs that are nested deeper; the way to them tells them apart."""
    paths = [path for path, _ in scope.outputs]
    if any(len(path) > 1 for path in paths):
        return [".".join(path) for path in paths]
    return [path[0] if scope.has_keys and path else f"output_{index}" for index, path in enumerate(paths)]


def _opaque(config: Mapping[str, Any], compiled: Mapping[str, Any]) -> dict[str, KerasOutput]:
    """The outputs of a subclassed model, as many as it has losses."""
    path = (shortened(f"{text(config.get('class_name'))} {text(mapping(config.get('config')).get('name'))}"),)
    head = DetectedHead(UNKNOWN, None, path)
    loss = compiled.get("loss")
    if isinstance(loss, dict) and not is_object(loss) and not is_sequence(loss):
        names = sorted(loss)
    else:
        names = [f"output_{index}" for index in range(count_outputs(compiled))]
    trainings = read_training(compiled, [(name,) for name in names])
    return {name: KerasOutput(head, training) for name, training in zip(names, trainings, strict=True)}
