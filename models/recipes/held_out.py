"""Writes the rows that a model never saw beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import numpy as np
import orjson
from recipe import Trained

SAMPLE_ROWS = 3


def write(folder: Path, trained: Trained) -> None:
    """holdout.npz for calibration and evaluation, sample.json as the body of a first request."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {trained.input_name: trained.rows, "targets": trained.targets}
    with _replacing(folder / "holdout.npz") as file:
        np.savez_compressed(file, **arrays)
    # orjson writes a float32 as its shortest decimal: 17.99, not 17.989999771118164
    rows = [orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY) for row in trained.rows[_varied(trained)]]
    with _replacing(folder / "sample.json") as file:
        file.write(b'{"instances": [\n  ' + b",\n  ".join(rows) + b"\n]}\n")


def _varied(trained: Trained) -> list[int]:
    """The first rows of different targets, then the first others."""
    _, first = np.unique(trained.targets, axis=0, return_index=True)
    return list(dict.fromkeys([*sorted(first.tolist()), *range(len(trained.targets))]))[:SAMPLE_ROWS]


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name only once it is whole."""
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
