"""Keras models as their configuration describes them: .keras archives, and models in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headwise.savedmodel.detected import DetectedHead
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
    raise NotImplementedError(file)


def from_config(config: Mapping[str, Any], compile_config: Mapping[str, Any] | None = None) -> KerasModel:
    """Read what `keras.saving.serialize_keras_object(model)` and `model.get_compile_config()` give."""
    raise NotImplementedError(config, compile_config)
