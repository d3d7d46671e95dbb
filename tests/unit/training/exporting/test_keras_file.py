"""Loading .keras archives: nothing is inflated that Keras did not write."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from headwise.errors import UnreadableModelError
from headwise.training.exporting.keras_file import load_keras


def archive(folder: Path, declared: int) -> Path:
    """An archive whose weights claim to inflate to `declared` bytes."""
    file = folder / "model.keras"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("model.weights.h5", bytes(1000))
    data = bytearray(file.read_bytes())
    entry = data.index(b"PK\1\2")
    data[entry + 24 : entry + 28] = struct.pack("<I", declared)
    file.write_bytes(data)
    return file


def test_a_zip_bomb_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModelError, match="would inflate to 3000000000: this is no archive that Keras wrote"):
        load_keras(archive(tmp_path, 3_000_000_000))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"HDF")
    for file in (tmp_path / "model.keras", tmp_path / "missing.keras", tmp_path):
        with pytest.raises(UnreadableModelError, match=f"^{file}: cannot be read as a .keras archive"):
            load_keras(file)
