"""Reads .npz, CSV and Parquet files as named arrays with a row each."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headwise.errors import InvalidRequestError
from headwise.training.holdout.table import read_csv, read_parquet

Array = NDArray[Any]
Kind = Literal["npz", "csv", "parquet"]

TARGETS = "targets"
_UNREADABLE = (ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, NotImplementedError)
"""What numpy raises for an archive that holds other than plain arrays, or is damaged."""

MOST_NAMED = 12
"""More columns than this are counted, not named."""


@dataclass(frozen=True)
class Holdout:
    """arrays: (rows, ...) by name, in the file's order. kind: in CSV all targets are texts."""

    file: Path
    kind: Kind
    arrays: Mapping[str, Array]

    @property
    def inputs(self) -> Mapping[str, Array]:
        """The arrays that are not named as targets."""
        return {name: array for name, array in self.arrays.items() if not _is_target(name)}

    @property
    def targets(self) -> Mapping[str, Array]:
        """The arrays `targets` and `targets.NAME`."""
        return {name: array for name, array in self.arrays.items() if _is_target(name)}

    @property
    def is_table(self) -> bool:
        """Whether its arrays are columns."""
        return self.kind != "npz"

    @property
    def word(self) -> str:
        """What an array is called in it."""
        return "column" if self.is_table else "array"


def read_holdout(file: Path) -> Holdout:
    """Read a file by its ending: .csv, .parquet, or .npz (any other ending counts as that).

    Pickled objects are never loaded.

    Raises: InvalidRequestError with the file and the reason; ConfigurationError for a table without pyarrow.
    """
    kind, read = _READERS.get(file.suffix.lower(), ("npz", _read_npz))
    return _with_inputs(Holdout(file, kind, read(file)))


def read_archive(file: Path) -> Holdout:
    """Read an .npz file, for what takes no tables.

    Raises: InvalidRequestError with the file and the reason.
    """
    return _with_inputs(Holdout(file, "npz", _read_npz(file)))


def listed(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    all_names = list(names)
    more = f" and {len(all_names) - MOST_NAMED} more" if len(all_names) > MOST_NAMED else ""
    return (", ".join(map(repr, all_names[:MOST_NAMED])) or "none") + more


def _with_inputs(holdout: Holdout) -> Holdout:
    if not holdout.inputs:
        raise InvalidRequestError(
            f"{holdout.file}: holds no inputs: {holdout.word}s named as the signature's inputs are expected beside "
            f"{TARGETS!r}; the file's {holdout.word}s are {listed(holdout.arrays)}"
        )
    return holdout


def _is_target(name: str) -> bool:
    return name == TARGETS or name.startswith(f"{TARGETS}.")


def _read_npz(file: Path) -> dict[str, Array]:
    try:
        with file.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise InvalidRequestError(
                    f"{file}: is no .npz file, which numpy.savez writes; tables end in .csv or .parquet"
                )
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise InvalidRequestError(f"{file}: {error.strerror or error}") from error
    except _UNREADABLE as error:
        raise InvalidRequestError(
            f"{file}: cannot be read as an .npz file of plain arrays, which numpy.savez writes: {error}"
        ) from error


def _read_csv(file: Path) -> dict[str, Array]:
    return read_csv(file, is_text=_is_target)


_READERS: Mapping[str, tuple[Kind, Callable[[Path], dict[str, Array]]]] = {
    ".csv": ("csv", _read_csv),
    ".parquet": ("parquet", read_parquet),
}
"""By ending."""
