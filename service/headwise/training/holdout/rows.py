"""A file's rows as a version takes them, and what was true of each of its heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from headwise.errors import InvalidTensorError
from headwise.heads import Head
from headwise.savedmodel.signature import Signature
from headwise.training.holdout.file import read_holdout
from headwise.training.holdout.inputs import inputs_of
from headwise.training.holdout.targets import label_columns, targets_of
from headwise.training.run import checked_inputs

Array = NDArray[Any]


@dataclass(frozen=True)
class LabelledRows:
    """inputs: (rows, ...) by the signature's names, in its dtypes. targets: (rows, ...) numbers by output.

    Unlabelled rows have no targets. unused: columns that are neither.
    """

    inputs: Mapping[str, Array]
    targets: Mapping[str, Array]
    unused: tuple[str, ...] = ()


def read_rows(file: Path, signature: Signature, heads: Mapping[str, Head], *, labelled: bool = True) -> LabelledRows:
    """Read an .npz, CSV or Parquet file for these heads of a signature.

    labelled: whether it must say what was true.

    Raises: InvalidRequestError, InvalidTensorError naming file, column and row; ConfigurationError without pyarrow.
    """
    holdout = read_holdout(file)
    inputs = inputs_of(holdout, signature, label_columns(holdout, heads))
    targets = targets_of(holdout, heads, frozenset(inputs.arrays)) if labelled else {}
    try:
        arrays, _ = checked_inputs(inputs.arrays, signature)
    except InvalidTensorError as error:
        raise InvalidTensorError(f"{file}: {error}") from error
    return LabelledRows(arrays, targets, inputs.unused)
