"""What only many rows can say of a head: logits that are probabilities, a unit that is always 1.

Evidence is gathered until one row speaks against it; nearly every healthy head is cleared by its first row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headwise.heads.contract import CONTRADICTION, EXCLUSIVE, RANGES
from headwise.heads.head import Head

Rows: TypeAlias = NDArray[np.floating[Any]]
"""(rows, units), an output as it came; positions count as rows."""

PROOF = 100
"""Different rows in [0, 1] that sum to 1, and none that does not: these are no logits.

Independent logits whose sum lies about 1 meet it by accident once in 500 rows (within CONTRADICTION, which float16
needs): 100 times in a row is 1e-270. A linear model fitted to one-hot targets by least squares does sum to 1, and keeps
within [0, 1] where it is weak; but it predicts probabilities too, and softmax of them is as wrong.
Different rows, because a health check that asks the same row for ever is evidence of one row.
"""

SUSPICION = 1000
"""Rows that are in [0, 1], or 1, without a proof: they could be, if callers only send one kind of row."""


@dataclass(frozen=True, slots=True)
class Finding:
    """code: of the diagnostics catalogue. proven: no healthy head does this."""

    code: str
    message: str
    proven: bool = False


@dataclass(frozen=True, slots=True)
class ProbableLogits:
    """All rows so far of a linear head lay in [0, 1]; those of exclusive classes may also sum to 1."""

    sums: bool
    seen: frozenset[int] = frozenset()

    def after(self, rows: Rows) -> ProbableLogits | None:
        """With these rows; None once one cannot be probabilities."""
        if rows.size == 0:
            return self
        if not (rows.min() >= 0 and rows.max() <= 1):
            return None
        sums = self.sums and bool((np.abs(rows.sum(axis=1, dtype=np.float64) - 1) <= CONTRADICTION).all())
        if len(self.seen) >= SUSPICION:
            return replace(self, sums=sums)
        return ProbableLogits(sums, self.seen | {hash(row.tobytes()) for row in rows[:SUSPICION]})

    @property
    def finding(self) -> Finding | None:
        """What all rows so far say."""
        count = len(self.seen)
        if self.sums and count >= PROOF:
            return Finding(
                "HW119",
                f"linear promises logits, but all rows so far ({PROOF} different ones and more) lie in [0, 1] and sum "
                'to 1, as softmax gives them: write "activation": "softmax" into the card if the graph ends in one',
                proven=True,
            )
        if count >= SUSPICION:
            return Finding(
                "HW119",
                f"linear promises logits, but all rows so far ({SUSPICION} different ones and more) lie in [0, 1]: if "
                'the graph ends in a sigmoid, write "activation": "sigmoid" into the card',
            )
        return None


@dataclass(frozen=True, slots=True)
class FullUnits:
    """Units of a head that said exactly p = 1 in all rows so far; None before the first row."""

    one: float
    units: tuple[int, ...] | None = None
    rows: int = 0

    def after(self, rows: Rows) -> FullUnits | None:
        """With these rows; None once every unit has said something else."""
        if rows.size == 0:
            return self
        among = np.arange(rows.shape[1]) if self.units is None else np.array(self.units)
        still = among[(rows[:, among] == self.one).all(axis=0)]
        return FullUnits(self.one, tuple(still.tolist()), min(self.rows + len(rows), SUSPICION)) if len(still) else None

    @property
    def finding(self) -> Finding | None:
        """What all rows so far say."""
        if self.rows < SUSPICION or self.units is None:
            return None
        names = ", ".join(map(str, self.units))
        return Finding(
            "HW115",
            f"unit {names} was exactly 1 in all rows so far ({SUSPICION} and more): a softmax over one unit, inputs "
            "that are not scaled as in training, or rows that are all alike",
        )


Evidence: TypeAlias = ProbableLogits | FullUnits


def to_gather(head: Head, units: int) -> tuple[Evidence, ...]:
    """What is worth watching in the rows of a head with `units` units."""
    if head.activation == "linear":
        return () if head.task == "regression" else (ProbableLogits(sums=head.layout(units) in EXCLUSIVE),)
    return () if head.activation == "tanh" else (FullUnits(one=RANGES[head.activation][1]),)
