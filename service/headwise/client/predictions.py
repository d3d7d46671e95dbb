"""What a gateway answered, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise import rows
from headwise.errors import InvalidRequestError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class HeadPredictions:
    """The answers of one head; arrays that it does not have are None.

    classes: the labels of all classes, in the order of the columns. raw: the model's own output.
    probabilities, sets (prediction sets, bool): (batch, *positions, classes); probabilities float64.
    indices: (batch, *positions) int64, the answered class; -1 where the head abstained.
    decisions: (batch, *positions, labels) bool, the labels of a multilabel head that are on.
    values: (batch, *positions, units) float64 of a regression.
    margins: (batch, *positions) float64. abstained: (batch, *positions) bool.
    top: (batch, *positions, k) int64, the most probable first. intervals: (batch, *positions, k, 2) float64.
    """

    task: str
    classes: tuple[str, ...] = ()
    probabilities: Array | None = None
    indices: Array | None = None
    decisions: Array | None = None
    values: Array | None = None
    margins: Array | None = None
    top: Array | None = None
    abstained: Array | None = None
    sets: Array | None = None
    intervals: Array | None = None
    raw: Array | None = None
    provenance: Mapping[str, Any] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(batch, *positions): one answer each."""
        return self.indices.shape if self.indices is not None else _columns(self.decisions, self.values).shape[:-1]

    @property
    def labels(self) -> Any:
        """(batch, *positions) of str, None where the head abstained; multilabel: for each row those that are on."""
        return rows.labels(self, self.abstained)


ARRAYS = ("probabilities", "indices", "decisions", "values", "margins", "top", "abstained", "sets", "intervals", "raw")
"""The fields of HeadPredictions that have a row each."""


def _columns(decisions: Array | None, values: Array | None) -> Array:
    found = values if decisions is None else decisions
    assert found is not None, "a head answers classes, labels or values"
    return found


@dataclass(frozen=True, slots=True)
class Predictions:
    """The answers for a batch by head name, and the version whose output and card they are.

    warnings: head, code and message of what speaks against them. The properties below are those of the only head.
    """

    model: str
    version: int
    request_id: str
    heads: Mapping[str, HeadPredictions]
    warnings: Sequence[Mapping[str, str]] = field(default=())

    @property
    def head(self) -> HeadPredictions:
        """The only head.

        Raises: InvalidRequestError where there are several.
        """
        if len(self.heads) != 1:
            raise InvalidRequestError(f"the heads are {', '.join(map(repr, sorted(self.heads)))}: take one of `heads`")
        (found,) = self.heads.values()
        return found

    @property
    def labels(self) -> Any:
        """The answered labels; see HeadPredictions."""
        return self.head.labels

    @property
    def indices(self) -> Array | None:
        """The answered classes; see HeadPredictions."""
        return self.head.indices

    @property
    def probabilities(self) -> Array | None:
        """The probabilities of all classes; see HeadPredictions."""
        return self.head.probabilities

    @property
    def values(self) -> Array | None:
        """The values of a regression; see HeadPredictions."""
        return self.head.values

    def rows(self) -> list[Any]:
        """One object a row, in the words of the HTTP API; of several heads an object by head name."""
        return rows.joined({name: rows.nested(head, head.shape, intervals=True) for name, head in self.heads.items()})

    def __len__(self) -> int:
        """How many rows."""
        return next(iter(self.heads.values())).shape[0]


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Batches of one version, one after the other."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    heads = {name: _joined([part.heads[name] for part in parts]) for name in first.heads}
    warnings = list({tuple(told.items()): told for part in parts for told in part.warnings}.values())
    return Predictions(first.model, first.version, first.request_id, heads, warnings)


def _joined(parts: Sequence[HeadPredictions]) -> HeadPredictions:
    columns = {name: [getattr(part, name) for part in parts] for name in ARRAYS}
    whole: dict[str, Any] = {name: np.concatenate(of) for name, of in columns.items() if of[0] is not None}
    return replace(parts[0], **whole)
