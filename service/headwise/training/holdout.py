"""Held-out rows in an .npz file: arrays named as the signature's inputs, and what was true of them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.errors import InvalidRequestError

TARGETS = "targets"
_UNREADABLE = (OSError, ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, NotImplementedError)
"""What numpy raises for a file that is no .npz of plain arrays."""


@dataclass(frozen=True)
class Holdout:
    """inputs (rows, ...) by name; targets by the name of their array."""

    file: Path
    inputs: Mapping[str, NDArray[Any]]
    targets: Mapping[str, NDArray[Any]]

    def targets_of(self, outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """The targets of each output: `targets.NAME`, or `targets` where only one output is asked for.

        Raises: InvalidRequestError if there are none for an output.
        """
        found = {}
        for output in outputs:
            names = (f"{TARGETS}.{output}", TARGETS) if len(outputs) == 1 else (f"{TARGETS}.{output}",)
            name = next((name for name in names if name in self.targets), None)
            if name is None:
                one = " (or choose one with --output)" if TARGETS in self.targets else ""
                raise InvalidRequestError(
                    f"{self.file}: no array {' or '.join(map(repr, reversed(names)))}: what was true of each row "
                    f"is expected there{one}; the file's arrays are {_listed((*self.inputs, *self.targets))}"
                )
            found[output] = self.targets[name]
        return found


def read_holdout(file: Path) -> Holdout:
    """Read an .npz file; pickled objects are never loaded.

    Raises: InvalidRequestError with the file and the reason.
    """
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays: dict[str, NDArray[Any]] = {name: archive[name] for name in archive.files}
    except OSError as error:
        raise InvalidRequestError(f"{file}: {error.strerror or error}") from error
    except (*_UNREADABLE, AttributeError, TypeError) as error:
        raise InvalidRequestError(
            f"{file}: cannot be read as an .npz file of plain arrays, which numpy.savez writes: {error}"
        ) from error
    is_target = {name: name == TARGETS or name.startswith(f"{TARGETS}.") for name in arrays}
    inputs = {name: array for name, array in arrays.items() if not is_target[name]}
    if not inputs:
        raise InvalidRequestError(
            f"{file}: holds no inputs: arrays named as the signature's inputs are expected beside {TARGETS!r}; "
            f"the file's arrays are {_listed(arrays)}"
        )
    return Holdout(file, inputs, {name: array for name, array in arrays.items() if is_target[name]})


def _listed(names: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(map(repr, names)) or "none"
