"""Loads a .keras archive for export, without running code from it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from headwise.errors import UnreadableModelError
from headwise.training.run import require_tensorflow

if TYPE_CHECKING:
    import keras

_MOST_INFLATED = 1 << 30
_MOST_RATIO = 100
"""Weights hardly shrink, and Keras stores them as they are: 100 to 1 and more than 1 GiB is a zip bomb."""


def load_keras(file: Path) -> keras.Model:
    """The model, not compiled: the archive's configuration already tells the loss.

    Raises: UnreadableModelError, saying what to do; ConfigurationError without TensorFlow.
    """
    _check_sizes(file)
    require_tensorflow()
    from keras import saving  # noqa: PLC0415

    try:
        model: keras.Model = saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # a layer's own from_config may raise anything
        raise UnreadableModelError(_refusal(file, str(error))) from error
    return model


def _refusal(file: Path, reason: str) -> str:
    """What Keras says, and the way out: in the training script the code is there already, and trusted."""
    first = reason.strip().partition("\n")[0].strip()
    needs_code = any(sign in reason for sign in ("safe_mode", "Could not locate", "custom_objects", "Lambda"))
    if needs_code:
        return (
            f"{file}: it needs Python code that headwise does not run from a file (a Lambda layer, or a class of your "
            "own): call headwise.export(model, to, labels=...) in the training script, where that code is. "
            f"Keras says: {first}"
        )
    return f"{file}: Keras cannot load it: {first}"


def _check_sizes(file: Path) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            inflated = sum(member.file_size for member in archive.infolist())
        packed = file.stat().st_size
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UnreadableModelError(f"{file}: cannot be read as a .keras archive: {error}") from error
    if inflated > max(_MOST_INFLATED, _MOST_RATIO * packed):
        raise UnreadableModelError(
            f"{file}: its {packed} bytes would inflate to {inflated}: this is no archive that Keras wrote"
        )
