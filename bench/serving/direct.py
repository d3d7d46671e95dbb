"""Calls of the model server without a gateway, each from a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from serving.load import Load, LoadError
from serving.sides import BENCH, ROOT
from serving.subjects import Array, Subject


def labels(target: str, subject: Subject, batch: Array) -> list[str]:
    """What the model server's numbers mean, by the peers' head maths."""
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch, "raw.npy")
        _client(target, subject, batch, Path(scratch, "rows.npy"), "predict", str(raw))
        return [row["label"] for row in subject.head.answer(np.load(raw))]


def closed(target: str, subject: Subject, batch: Array, concurrency: int, seconds: float) -> Load:
    """A closed loop of so many callers, each of whose calls carries the whole batch.

    Raises: LoadError.
    """
    with tempfile.TemporaryDirectory() as scratch:
        rows = Path(scratch, "rows.npy")
        printed = _client(target, subject, batch, rows, "load", str(concurrency), str(seconds))
    figures: dict[str, Any] = json.loads(printed)
    return Load(**figures)


def _client(target: str, subject: Subject, batch: Array, rows: Path, *mode: str) -> str:
    np.save(rows, batch.astype(np.float32))
    about = (target, subject.name, subject.input, subject.output, str(rows))
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "serving.direct_client", *about, *mode],
        env={**os.environ, "PYTHONPATH": f"{BENCH}:{ROOT / 'service'}", "GRPC_VERBOSITY": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise LoadError(f"the direct client ended with {ended.returncode}: {ended.stderr[-2000:]}")
    return ended.stdout
