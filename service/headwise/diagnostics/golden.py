"""Golden records: inputs whose raw output and decision are known, so that a version can prove itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from headwise.heads import Head


@dataclass(frozen=True)
class GoldenRecord:
    """One row: inputs (1, ...) by name, the raw outputs (1, ...) that are expected, and what they decide.

    decided: per head the indices (1, ...) int64, multilabel decisions (1, ..., labels) bool; none for regression.
    """

    signature_name: str
    inputs: Mapping[str, NDArray[Any]]
    outputs: Mapping[str, NDArray[Any]]
    decided: Mapping[str, NDArray[Any]]


def choose(
    signature_name: str,
    inputs: Mapping[str, NDArray[Any]],
    outputs: Mapping[str, NDArray[Any]],
    heads: Mapping[str, Head],
    most: int = 8,
) -> tuple[GoldenRecord, ...]:
    """A handful of rows (batch, ...) that decide differently, none so near a cut that rounding could flip it."""
    raise NotImplementedError


def difference(record: GoldenRecord, outputs: Mapping[str, NDArray[Any]], heads: Mapping[str, Head]) -> str | None:
    """What differs between what came and what the record expects; None if it holds."""
    raise NotImplementedError
