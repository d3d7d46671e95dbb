"""What a head-aware call asks for, and what it is answered."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from numpy.typing import NDArray

from headwise.backends.base import Arrays
from headwise.errors import InvalidRequestError
from headwise.heads import Abstain, Head, Options, Prediction
from headwise.heads.decisions import Rule
from headwise.repository.served_model import ServedModel
from headwise.tripwires import HeadWarning

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """What a request asks of the heads: each option for the only head, or by head name. top_k: for each with classes.

    threshold: a cut or its name in the card. decision, abstain, coverage: as `Options` has them.
    """

    threshold: float | str | Mapping[str, float | str] | None = None
    top_k: int | None = None
    decision: Rule | Mapping[str, Rule] | None = None
    abstain: Abstain | Mapping[str, Abstain] | None = None
    coverage: float | Mapping[str, float] | None = None

    def by_head(self, heads: Mapping[str, Head]) -> dict[str, Options]:
        """The options of each head, checked against it.

        Raises: InvalidRequestError.
        """
        thresholds = _by_head("threshold", self.threshold, heads)
        decisions = _by_head("decision", self.decision, heads)
        abstains = _by_head("abstain", self.abstain, heads)
        coverages = _by_head("coverage", self.coverage, heads)
        several = len(heads) > 1
        options = {
            name: Options(
                thresholds.get(name),
                None if several and head.task == "regression" else self.top_k,
                decisions.get(name),
                abstains.get(name),
                coverages.get(name),
            )
            for name, head in heads.items()
        }
        for name, head in heads.items():
            head.resolve(options[name])
        return options


NO_OPTIONS = RequestOptions()


def _by_head(option: str, given: Any, heads: Mapping[str, Head]) -> Mapping[str, Any]:
    """An option by head name.

    Raises: InvalidRequestError if it does not say for which of several heads it is, or names none.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        if len(heads) != 1:
            raise InvalidRequestError(
                f"the model has the heads {', '.join(map(repr, heads))}: give {option} by head name"
            )
        return dict.fromkeys(heads, given)
    if unknown := sorted(set(given) - set(heads)):
        raise InvalidRequestError(
            f"{option} names the head {unknown[0]!r}; the heads are {', '.join(map(repr, heads))}"
        )
    return given


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

    def rows(self, start: int, stop: int) -> HeadAnswer:
        """The answers of some of the rows."""
        return HeadAnswer(self.head, self.prediction.rows(start, stop), self.raw[start:stop])


@dataclass(frozen=True)
class BatchAnswer:
    """The answers of all rows that travelled as one call and asked alike: of one request or of several.

    warnings: why answers should not be trusted, where the gateway was told to give them all the
    same. outputs: the further outputs (batch, ...) that were asked for, as they came.
    """

    model: ServedModel
    heads: Mapping[str, HeadAnswer]
    warnings: tuple[HeadWarning, ...] = ()
    outputs: Arrays = field(default_factory=dict)
    _made: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def size(self) -> int:
        """How many rows."""
        return len(next(iter(self.heads.values())).raw)

    @cached_property
    def width(self) -> int:
        """How many numbers a row has, of all heads together."""
        return sum(head.raw[:1].size for head in self.heads.values())

    @property
    def whole(self) -> Classification:
        """The answers of a request that travelled alone."""
        return Classification(self, 0, self.size)

    def once(self, key: Hashable, make: Callable[[BatchAnswer], T]) -> T:
        """What all its requests tell alike, made by the first of them; threads that ask at once may each make it."""
        if key not in self._made:
            self._made[key] = make(self)
        found: T = self._made[key]
        return found


@dataclass(frozen=True)
class Classification:
    """The answers of one request, and the version whose output and card they are.

    They are the rows from start to stop of a batch that other requests may share.
    """

    batch: BatchAnswer
    start: int
    stop: int

    @property
    def model(self) -> ServedModel:
        """The version that answered."""
        return self.batch.model

    @property
    def warnings(self) -> tuple[HeadWarning, ...]:
        """Why its answers should not be trusted."""
        return self.batch.warnings

    @property
    def shared(self) -> bool:
        """Whether the batch has rows of other requests."""
        return self.stop - self.start < self.batch.size

    @cached_property
    def heads(self) -> Mapping[str, HeadAnswer]:
        """Its answers by head name."""
        if not self.shared:
            return self.batch.heads
        return {name: answer.rows(self.start, self.stop) for name, answer in self.batch.heads.items()}

    @property
    def outputs(self) -> Arrays:
        """The further outputs (batch, ...) that were asked for, as they came."""
        return {name: array[self.start : self.stop] for name, array in self.batch.outputs.items()}
