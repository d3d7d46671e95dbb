"""Reads and writes golden records as TensorFlow Serving's warm-up records: one file warms it and proves a version."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from headwise.diagnostics.golden import GoldenRecord

GOLDEN_PATH = Path("assets.extra") / "tf_serving_warmup_requests"


def read_golden(version: Path) -> tuple[GoldenRecord, ...]:
    """The golden records of a version folder; none where there is no file, or where it only warms up.

    Raises: UnreadableModelError for a file that cannot be read.
    """
    raise NotImplementedError(version)


def write_golden(version: Path, records: Iterable[GoldenRecord], model_name: str) -> Path:
    """Write the records of a version folder in one step; returns the file's path."""
    raise NotImplementedError(version, records, model_name)
