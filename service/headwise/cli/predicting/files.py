"""Writes answers by the ending of a file's name."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from headwise.client.predictions import ARRAYS, Predictions
from headwise.errors import ConfigurationError, InvalidRequestError
from headwise.npz import packed


def write(found: Predictions, file: Path) -> None:
    """Write the answers, whole or not at all.

    Raises: InvalidRequestError, ConfigurationError without pyarrow.
    """
    data = WRITERS[file.suffix.lower()](found)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InvalidRequestError(f"{file}: cannot be written: {error.strerror or error}") from error


def _npz(found: Predictions) -> bytes:
    several = len(found.heads) > 1
    arrays: dict[str, Any] = {"model_version": np.int64(found.version)}
    for name, head in found.heads.items():
        prefix = f"{name}." if several else ""
        arrays |= {f"{prefix}{key}": array for key in ARRAYS if (array := getattr(head, key)) is not None}
        arrays |= {f"{prefix}classes": np.array(head.classes, np.str_)}
        if head.indices is not None:
            arrays[f"{prefix}labels"] = np.array([*head.classes, ""], np.str_)[head.indices]
    return packed(arrays, deflate=True)


def _json(found: Predictions) -> bytes:
    return orjson.dumps(
        {"model": {"name": found.model, "version": found.version}, "predictions": found.rows()}, option=_NEWLINE
    )


def _lines(found: Predictions) -> bytes:
    return b"".join(orjson.dumps(row, option=_NEWLINE) for row in found.rows())


def _csv(found: Predictions) -> bytes:
    columns = _columns(found)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return file.getvalue().encode()


def _parquet(found: Predictions) -> bytes:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigurationError("a Parquet file needs pyarrow: pip install 'headwise[calibrate]'") from error
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(_columns(found)), sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _columns(found: Predictions) -> dict[str, list[Any]]:
    """Columns label and probability.CLASS, or one a label, value and margin; behind HEAD. where there are several."""
    several = len(found.heads) > 1
    columns: dict[str, list[Any]] = {}
    for name, head in found.heads.items():
        if len(head.shape) > 1:
            raise InvalidRequestError(f"head {name!r} answers for positions, which a table has no room for: write .npz")
        prefix = f"{name}." if several else ""
        if head.decisions is not None:
            columns |= {
                f"{prefix}{label}": column.tolist()
                for label, column in zip(head.classes, head.decisions.T, strict=True)
            }
        elif head.indices is not None:
            columns[f"{prefix}label"] = [None if label is None else str(label) for label in head.labels.tolist()]
        if head.top is not None:
            best = np.asarray(head.classes)[head.top]
            columns |= {f"{prefix}top.{at + 1}": column.tolist() for at, column in enumerate(best.T)}
        for key, of in (("probability", head.probabilities), ("value", head.values), ("margin", head.margins)):
            if of is None:
                continue
            parts = of[:, np.newaxis] if of.ndim == 1 else of
            names = head.classes if key == "probability" else range(parts.shape[1])
            one = parts.shape[1] == 1 and key != "probability"
            columns |= {
                f"{prefix}{key}" if one else f"{prefix}{key}.{part}": column.tolist()
                for part, column in zip(names, parts.T, strict=True)
            }
    return columns


_NEWLINE = orjson.OPT_APPEND_NEWLINE
WRITERS: Mapping[str, Callable[[Predictions], bytes]] = {
    ".npz": _npz,
    ".json": _json,
    ".ndjson": _lines,
    ".jsonl": _lines,
    ".csv": _csv,
    ".parquet": _parquet,
}
"""By ending."""
