"""Rows as JSON has them: they become arrays when the batch is put together in which they travel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from headwise.backends.base import Arrays
from headwise.savedmodel import Signature


class RowLists:
    """A request's rows, one entry a row. read: rows to arrays (rows, ...) by the signature.

    One array for all rows of a batch costs less than a third of one a request.
    """

    __slots__ = ("_read", "rows")

    def __init__(self, rows: list[Any], read: Callable[[list[Any], Signature], Arrays]) -> None:
        self.rows = rows
        self._read = read

    def __call__(self, signature: Signature) -> Arrays:
        """The rows as arrays.

        Raises: InvalidRequestError.
        """
        return self._read(self.rows, signature)

    def joined(self, others: Sequence[RowLists]) -> RowLists:
        """These rows, and those of the others behind them."""
        rows = [*self.rows]
        for other in others:
            rows += other.rows
        return RowLists(rows, self._read)
