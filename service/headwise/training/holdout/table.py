"""Reads CSV and Parquet tables, by pyarrow, as one array a column."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.errors import ConfigurationError, InvalidRequestError

Array = NDArray[Any]

_PANDAS_INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls its index in a Parquet file: no column of the user's."""


def read_csv(file: Path, *, is_text: Callable[[str], bool]) -> dict[str, Array]:
    """The columns of a CSV file with a header. is_text: columns that are read as they are written.

    Raises: InvalidRequestError with the file and the reason; ConfigurationError without pyarrow.
    """
    arrow = _pyarrow()
    from pyarrow import csv  # noqa: PLC0415

    try:
        with file.open("rb") as stream, csv.open_csv(stream) as head:
            names = head.schema.names
        types = {name: arrow.string() for name in names if is_text(name)}
        # Of columns that are there twice, pyarrow would read the first as both.
        _check_once(file, names)
        if all(map(_is_number, names)):
            raise InvalidRequestError(
                f"{file}: its first line is {names[0]}, …: a header is expected, with the names of the columns"
            )
        if len(names) == 1 and (other := re.search(r"[;\t|]", names[0])):
            raise InvalidRequestError(f"{file}: its values are separated by {other[0]!r}: commas are expected")
        with file.open("rb") as stream:
            table = csv.read_csv(stream, convert_options=csv.ConvertOptions(column_types=types))
    except OSError as error:
        raise InvalidRequestError(f"{file}: {error.strerror or error}") from error
    except arrow.ArrowException as error:
        raise InvalidRequestError(f"{file}: cannot be read as CSV with a header: {error}") from error
    return _arrays(file, table)


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def read_parquet(file: Path) -> dict[str, Array]:
    """The columns of a Parquet file, without pandas's index.

    Raises: as `read_csv`.
    """
    arrow = _pyarrow()
    from pyarrow import parquet  # noqa: PLC0415

    try:
        with file.open("rb") as stream:
            table = parquet.ParquetFile(stream).read()
    except OSError as error:
        raise InvalidRequestError(f"{file}: {error.strerror or error}") from error
    except arrow.ArrowException as error:
        raise InvalidRequestError(f"{file}: cannot be read as Parquet: {error}") from error
    _check_once(file, table.column_names)
    return _arrays(file, table.select([name for name in table.column_names if not _PANDAS_INDEX.fullmatch(name)]))


def _pyarrow() -> Any:
    try:
        import pyarrow as arrow  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            f"CSV and Parquet files need pyarrow, which cannot be imported ({error}): pip install "
            "'headwise[calibrate]', or give an .npz file"
        ) from error
    return arrow


def _check_once(file: Path, names: Sequence[str]) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InvalidRequestError(f"{file}: column {twice[0]!r} is there twice")


def _arrays(file: Path, table: Any) -> dict[str, Array]:
    if table.num_columns and not table.num_rows:
        raise InvalidRequestError(f"{file}: holds no rows")
    return {name: _array(f"{file}: column {name!r}", table[name].combine_chunks()) for name in table.column_names}


def _array(where: str, column: Any, rows_each: int = 1) -> Array:
    """Numbers, texts, or lists of them that are all of one length; rows_each: elements that stand for one row."""
    from pyarrow import types  # noqa: PLC0415

    kind = column.type
    if types.is_dictionary(kind):
        return _array(where, column.dictionary_decode(), rows_each)
    if column.null_count:
        at = column.is_null().to_pylist().index(True) // rows_each
        raise InvalidRequestError(
            f"{where} is empty, NaN or null in row {at}: every row needs a value (rows count from 0)"
        )
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _of_lists(where, column, rows_each)
    if types.is_string(kind) or types.is_large_string(kind):
        return np.array(column.to_pylist(), dtype=str)
    if types.is_binary(kind) or types.is_large_binary(kind):
        return np.array([*column.to_pylist(), None], dtype=object)[:-1]
    if types.is_decimal(kind):
        return np.array([float(value) for value in column.to_pylist()])
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    raise InvalidRequestError(f"{where} is {kind}: numbers, texts, or lists of numbers are expected")


def _of_lists(where: str, column: Any, rows_each: int) -> Array:
    from pyarrow import compute  # noqa: PLC0415

    lengths = np.asarray(compute.list_value_length(column).to_numpy(zero_copy_only=False))
    if (lengths != lengths[0]).any():
        at = int(np.argmax(lengths != lengths[0]))
        raise InvalidRequestError(
            f"{where} has lists of different lengths: {lengths[0]} in row 0, {lengths[at]} in row {at // rows_each}"
        )
    size = int(lengths[0])
    if size == 0:
        raise InvalidRequestError(f"{where} has empty lists")
    inner = _array(where, column.flatten(), rows_each * size)
    return inner.reshape(len(column), size, *inner.shape[1:])
