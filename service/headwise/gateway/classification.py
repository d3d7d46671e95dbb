"""What a head-aware call asks for, and what it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from headwise.errors import InvalidRequestError
from headwise.heads import Head, Options, Prediction
from headwise.repository.served_model import ServedModel
from headwise.tripwires import HeadWarning


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """threshold: a cut or name for the only head, or one by head name. top_k: for each head with classes."""

    threshold: float | str | Mapping[str, float | str] | None = None
    top_k: int | None = None

    def by_head(self, heads: Mapping[str, Head]) -> dict[str, Options]:
        """The options of each head, checked against it.

        Raises: InvalidRequestError.
        """
        cuts = self.threshold
        if cuts is None:
            cuts = {}
        elif not isinstance(cuts, Mapping):
            if len(heads) != 1:
                raise InvalidRequestError(
                    f"the model has the heads {', '.join(map(repr, heads))}: give threshold by head name"
                )
            cuts = dict.fromkeys(heads, cuts)
        if unknown := sorted(set(cuts) - set(heads)):
            raise InvalidRequestError(
                f"threshold names the head {unknown[0]!r}; the heads are {', '.join(map(repr, heads))}"
            )
        several = len(heads) > 1
        options = {
            name: Options(cuts.get(name), None if several and head.task == "regression" else self.top_k)
            for name, head in heads.items()
        }
        for name, head in heads.items():
            head.resolve(options[name])
        return options


@dataclass(frozen=True, slots=True)
class HeadAnswer:
    """A head, what it answers, and the model's own output (batch, ...) behind it."""

    head: Head
    prediction: Prediction
    raw: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """(batch, *positions): one answer each."""
        return self.raw.shape[:1] if self.raw.ndim == 1 else self.raw.shape[:-1]


@dataclass(frozen=True, slots=True)
class Classification:
    """The answers of one batch by head name, and the version whose output and card they are.

    warnings: why answers should not be trusted, where the gateway was told to give them all the same.
    """

    model: ServedModel
    heads: Mapping[str, HeadAnswer]
    warnings: tuple[HeadWarning, ...] = ()
