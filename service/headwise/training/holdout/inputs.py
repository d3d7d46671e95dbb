"""From the columns of a file to the inputs that a signature takes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.errors import InvalidTensorError
from headwise.savedmodel.signature import Signature, TensorSpec
from headwise.training.holdout.file import TARGETS, Holdout, listed

Array = NDArray[Any]

_NUMBERS = "biuf"


@dataclass(frozen=True)
class Inputs:
    """arrays: (rows, ...) by the signature's names. unused: columns that are neither input nor target."""

    arrays: Mapping[str, Array]
    unused: tuple[str, ...] = ()


def inputs_of(holdout: Holdout, signature: Signature, labels: Iterable[str] = ()) -> Inputs:
    """The inputs of a signature.

    An archive's arrays are taken as they are, for the check against the signature. Of a table an input is the column of
    its name (numbers, or lists of them), or the columns NAME.0, NAME.1, ...; a model's only input may also be all
    columns in their order that are no targets. Rows take the input's shape.
    labels: columns that are targets if they are no input (multilabel).

    Raises: InvalidTensorError naming the column and what is expected.
    """
    if not holdout.is_table:
        return Inputs(holdout.inputs)
    columns = holdout.inputs
    names = {name: _columns_of(holdout, name, spec) for name, spec in signature.inputs.items()}
    free = [name for name in columns if name not in {*labels}]
    if len(names) == 1 and not any(names.values()):
        names = dict.fromkeys(names, free)
    arrays = {name: _shaped(holdout, name, found, signature.inputs[name]) for name, found in names.items() if found}
    used = {column for found in names.values() for column in found}
    if not arrays:
        wanted = ", ".join(f"{name!r} ({spec})" for name, spec in signature.inputs.items())
        raise InvalidTensorError(
            f"{holdout.file}: no column is an input; the model's are {wanted}, the file's columns "
            f"{listed(holdout.arrays)}"
        )
    return Inputs(arrays, tuple(name for name in free if name not in used))


def numbered(names: Iterable[str], name: str) -> dict[int, str]:
    """The columns NAME.0, NAME.1, ... by their numbers."""
    pattern = re.compile(re.escape(name) + r"\.(0|[1-9]\d*)", re.ASCII)
    return {int(match[1]): column for column in names if (match := pattern.fullmatch(column))}


def gather(holdout: Holdout, name: str) -> list[str]:
    """The column of this name, or those numbered from 0 behind it, in their order; none where there is neither.

    Raises: InvalidTensorError for a gap in the numbers.
    """
    if name in holdout.arrays:
        return [name]
    found = numbered(holdout.arrays, name)
    if gaps := sorted(set(range(len(found))) - found.keys()):
        raise InvalidTensorError(
            f"{holdout.file}: column '{name}.{gaps[0]}' is missing, but there is '{name}.{max(found)}'"
        )
    return [found[at] for at in sorted(found)]


def _columns_of(holdout: Holdout, name: str, spec: TensorSpec) -> list[str]:
    found = gather(holdout, name)
    if len(found) > 1 or (found and found[0] != name):
        _check_count(holdout, name, found, spec)
    return found


def _shaped(holdout: Holdout, name: str, columns: list[str], spec: TensorSpec) -> Array:
    """One array (rows, ...) of columns, in the shape of the input's rows."""
    if spec.dtype != "string":
        _check_numbers(holdout, name, columns)
    if len(columns) == 1:
        array = holdout.arrays[columns[0]]
    else:
        if deep := [column for column in columns if holdout.arrays[column].ndim > 1]:
            raise InvalidTensorError(
                f"{holdout.file}: column {deep[0]!r} holds lists: input {name!r} takes one column of lists or "
                f"{len(columns)} columns of numbers"
            )
        _check_count(holdout, name, columns, spec)
        array = np.column_stack([holdout.arrays[column] for column in columns])
    sizes = None if spec.shape is None else spec.shape[1:]
    known = None if sizes is None or None in sizes else tuple(size for size in sizes if size is not None)
    if known is not None and array.ndim <= 2 and array[:1].size == math.prod(known):
        array = array.reshape(len(array), *known)
    elif sizes is not None and len(sizes) == 1 and array.ndim == 1:
        array = array[:, None]
    return array.astype(np.int8) if array.dtype == np.bool_ and spec.dtype != "bool" else array


def _check_numbers(holdout: Holdout, name: str, columns: list[str]) -> None:
    for column in columns:
        array = holdout.arrays[column]
        if array.dtype.kind not in _NUMBERS:
            at, text = _first_text(array)
            raise InvalidTensorError(
                f"{holdout.file}: column {column!r} holds {text!r} in row {at}: input {name!r} takes numbers; leave "
                "out columns that are no input, or encode them as in training"
            )


def _first_text(array: Array) -> tuple[int, str]:
    """The first element that is no number, for one stray text makes a whole column of texts."""
    for at, value in enumerate(array.reshape(len(array), -1)[:, 0].tolist()):
        try:
            float(value)
        except (TypeError, ValueError):
            return at, str(value)
    return 0, str(array.reshape(-1)[0])


def _check_count(holdout: Holdout, name: str, columns: list[str], spec: TensorSpec) -> None:
    sizes = None if spec.shape is None else spec.shape[1:]
    if sizes is None or None in sizes:
        return
    wanted = math.prod(size for size in sizes if size is not None)
    if wanted != len(columns):
        raise InvalidTensorError(
            f"{holdout.file}: {len(columns)} columns for input {name!r}, which takes {wanted} numbers a row ({spec}): "
            f"{listed(columns)}. Name them {name}.0 to {name}.{wanted - 1}, or leave out those that are no input"
            + ("" if holdout.targets else f"; what was true is expected in {TARGETS!r}")
        )
