"""A prover whose verdict a test sets, and golden records for the models of `in_memory_gateway`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from headwise.diagnostics.golden import GoldenRecord
from headwise.repository.golden_file import write_golden
from headwise.repository.served_model import ServedModel


@dataclass
class Proving:
    """Says of every version what `verdict` is: None where its records hold, what differs, or an error to raise.

    judge: decides by the version instead. gate: where it is set, runs wait for it.
    """

    verdict: str | Exception | None = None
    judge: Callable[[ServedModel], str | None] | None = None
    gate: asyncio.Event | None = None
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def __call__(self, model: ServedModel, records: tuple[GoldenRecord, ...]) -> str | None:
        assert records, "only versions with golden records are proved"
        self.asked.append((model.name, model.version))
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict if self.judge is None else self.judge(model)


def record(raw: float, index: int | None = None, *, expected: float | None = None) -> GoldenRecord:
    """A record of the model that answers output_0 with its input x, which one logit decides at 0."""
    came = np.array([[raw]], np.float32)
    wanted = came if expected is None else np.array([[expected]], np.float32)
    decided = int(wanted.item() >= 0) if index is None else index
    return GoldenRecord("serving_default", {"x": came}, {"output_0": wanted}, {"output_0": np.array([decided])})


def write_records(version: Path, *records: GoldenRecord) -> Path:
    """Give a version folder these golden records."""
    return write_golden(version, records, version.parent.name)
