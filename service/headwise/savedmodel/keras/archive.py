"""Opens .keras archives: a zip with metadata.json and config.json. Weights and code in them are never read."""

from __future__ import annotations

import io
import json
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headwise.errors import UnreadableModelError

LARGEST_CONFIG = 16 * 2**20
"""Bytes of config.json, inflated: a network of 1,000 layers takes about 1 MB. Parsed, 16 MB of brackets are 400 MB."""
LARGEST_METADATA = 2**16
_LARGEST_READ = 2**20
"""Bytes that zipfile may ask for at once. Only the list of members is read in one piece: this is room for 10,000."""
_CHUNK = 2**16
_HDF5 = b"\x89HDF\r\n\x1a\n"
_EXPECTED = "a .keras archive, as model.save('NAME.keras') writes it, is expected"


class _Bounded(io.FileIO):
    """A file that is never read in large pieces."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LARGEST_READ:
            raise zipfile.BadZipFile(f"its list of members takes {size} bytes")
        return super().read(size) or b""


def read_archive(file: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The objects in config.json and metadata.json.

    Raises: UnreadableModelError.
    """
    try:
        _check_kind(file)
        with _Bounded(file) as opened, zipfile.ZipFile(opened) as archive:
            config = _object(archive, file, "config.json", LARGEST_CONFIG)
            metadata = _object(archive, file, "metadata.json", LARGEST_METADATA)
    except OSError as error:
        raise UnreadableModelError(f"{file}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error) as error:
        raise UnreadableModelError(f"{file}: {error}; {_EXPECTED}") from error
    return config, metadata


def _check_kind(file: Path) -> None:
    """Say what the file is where it is known not to be an archive; a pipe would be waited on for ever."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise UnreadableModelError(f"{file}: not a file; {_EXPECTED}")
    with file.open("rb") as opened:
        start = opened.read(len(_HDF5))
    if start == _HDF5:
        raise UnreadableModelError(
            f"{file}: an HDF5 file, Keras's former format; convert it with "
            f"keras.models.load_model({file.name!r}).save({file.stem + '.keras'!r})"
        )


def _object(archive: zipfile.ZipFile, file: Path, member: str, limit: int) -> Mapping[str, Any]:
    """A member's JSON object, inflated no further than the limit, whatever its header declares."""
    try:
        info = archive.getinfo(member)
    except KeyError:
        raise UnreadableModelError(f"{file}: holds no {member}; {_EXPECTED}") from None
    if info.flag_bits & 1:
        raise UnreadableModelError(f"{file}: {member} is encrypted; {_EXPECTED}")
    text = bytearray()
    with archive.open(info) as opened:
        while chunk := opened.read(_CHUNK):
            text += chunk
            if len(text) > limit:
                raise UnreadableModelError(f"{file}: {member} inflates to more than {limit} bytes, which are not read")
    try:
        value = json.loads(text)
    except RecursionError:
        raise UnreadableModelError(f"{file}: {member} is nested too deeply") from None
    except ValueError as error:
        raise UnreadableModelError(f"{file}: {member} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise UnreadableModelError(f"{file}: {member} holds no JSON object; {_EXPECTED}")
    return value
