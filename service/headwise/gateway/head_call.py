"""A head-aware call of one signature of one version: what it asks the backend, and how the answer is read."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwise.backends.base import Arrays, Backend, RawPrediction
from headwise.errors import (
    BackendProtocolError,
    BackendRejectedError,
    BackendUnavailableError,
    HeadMismatchError,
    InvalidRequestError,
    OutputMissingError,
    OutputRangeError,
    OutputShapeError,
)
from headwise.gateway.classification import NO_OPTIONS, BatchAnswer, HeadAnswer, RequestOptions
from headwise.gateway.row_lists import RowLists
from headwise.heads import Head, Options, Prediction
from headwise.preflight import check_inputs
from headwise.repository.model_spec import ModelSpec
from headwise.repository.served_model import ServedModel
from headwise.savedmodel import Signature
from headwise.savedmodel.signature import NUMPY_DTYPES
from headwise.telemetry.answers import Answers
from headwise.tripwires import HeadWarning, Place, Tripwires

_OF_A_ROW = frozenset({"INVALID_ARGUMENT", "OUT_OF_RANGE", "FAILED_PRECONDITION"})
"""Refusals that may be a row's fault; any other each half of a batch would meet, too."""


class ContradictionError(Exception):
    """An output that contradicts its head, and where."""

    def __init__(self, place: Place, error: HeadMismatchError) -> None:
        super().__init__(f"{place}: {error}")
        self.place = place
        self.error = error


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks of each head; equal where the requests' options are."""

    options: RequestOptions
    by_head: Mapping[str, Options] = field(compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Incomparable:
    """As `Asked`, for options that cannot be compared: equal to itself only."""

    by_head: Mapping[str, Options]


class OfLists(NamedTuple):
    """Rows as JSON has them, before they are read. kind: what they travel with; row_bytes: of a row's arrays."""

    kind: Hashable
    row_bytes: int


@dataclass(frozen=True)
class HeadCall:
    """Made once for many requests; the `Work` of the batcher. outputs: wanted as they come, besides the heads'.

    answers: where they are counted. alone: each request travels by itself, since rows depend on one another.

    Raises: HeadConfigError if the card is refused; HeadNotFoundError if it says nothing of the signature;
    InvalidRequestError for outputs that the signature does not have.
    """

    model: ServedModel
    signature_name: str
    outputs: tuple[str, ...]
    backend: Backend
    tripwires: Tripwires
    answers: Answers = field(default_factory=Answers)
    alone: bool = False
    heads: Mapping[str, Head] = field(init=False, repr=False)
    """By output name."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "heads", self.model.heads(self.signature_name))
        if unknown := [name for name in self.outputs if name not in self.signature.outputs]:
            known = ", ".join(map(repr, self.signature.outputs))
            raise InvalidRequestError(f"{self.model} has no output {unknown[0]!r}; its outputs are {known}")

    @property
    def owner(self) -> str:
        """The model: calls of its many shapes must not shut out other models."""
        return self.model.name

    @cached_property
    def signature(self) -> Signature:
        """What the inputs are held against."""
        return self.model.signature(self.signature_name)

    def kind(self, inputs: Arrays) -> Hashable:
        """What travels together: tensors of equal dtypes and shapes but for their rows."""
        return self._key, tuple([(name, array.dtype.num, array.shape[1:]) for name, array in inputs.items()])

    @cached_property
    def of_lists(self) -> OfLists | None:
        """What all rows that fit the signature have alike, where it leaves nothing open; None: read them."""
        specs = self.signature.inputs
        open_ = any(spec.shape is None or None in spec.shape[1:] or spec.dtype == "string" for spec in specs.values())
        if open_ or self.signature.defaults or not self.together:
            return None
        known = [
            (name, NUMPY_DTYPES[spec.dtype], tuple(size for size in (spec.shape or ())[1:] if size is not None))
            for name, spec in specs.items()
            if spec.dtype in NUMPY_DTYPES
        ]
        kind = self._key, tuple((name, dtype.num, shape) for name, dtype, shape in known)
        return OfLists(kind, sum(dtype.itemsize * math.prod(shape) for _, dtype, shape in known))

    def join(self, inputs: Sequence[Arrays | RowLists]) -> Arrays:
        """The rows of several requests as one; see `Work`."""
        lists = [one for one in inputs if isinstance(one, RowLists)]
        arrays = [one for one in inputs if not isinstance(one, RowLists)]
        if not lists:
            return arrays[0] if len(arrays) == 1 else _concatenated(arrays)
        if arrays:
            return _concatenated([self.join([one]) for one in inputs])
        read = lists[0].joined(lists[1:])(self.signature)
        check_inputs(read, self.signature)
        return read

    @cached_property
    def _key(self) -> Hashable:
        """The version under this card: what was read of it is one object, and another reading another."""
        return id(self.model), self.signature_name, self.outputs

    @cached_property
    def together(self) -> bool:
        """Whether rows of several requests may travel as one call: not where the graph insists on their number."""
        return not self.alone and all(
            spec.shape is not None and spec.shape[:1] == (None,) for spec in self.signature.inputs.values()
        )

    def asked(self, options: RequestOptions) -> Asked | _Incomparable:
        """What the options ask of the heads, checked against them.

        Raises: InvalidRequestError.
        """
        if options is NO_OPTIONS or options == NO_OPTIONS:
            return self._plain
        asked = Asked(options, options.by_head(self.heads))
        try:
            hash(asked)
        except TypeError:  # a rule of the request's own holds a mapping: it is compared with no other
            return _Incomparable(asked.by_head)
        return asked

    async def call(self, inputs: Arrays, *, deadline: float) -> RawPrediction:
        """The heads' outputs and the further ones, of exactly this version; see `Work`."""
        try:
            raw = await self.backend.predict(self._target, inputs, timeout=left(deadline), outputs=self._wanted)
        except BackendRejectedError as error:
            if error.status == "RESOURCE_EXHAUSTED":
                raise BackendUnavailableError(f"the model server is busy: {error.detail}") from error
            raise
        if raw.version != self.model.version:
            raise BackendProtocolError(f"version {self.model.version} was asked, version {raw.version} answered")
        rows = next(array.shape[0] for array in inputs.values() if array.ndim)
        for name in self._wanted:
            self._check_rows(raw, name, rows)
        return raw

    def answer(self, raw: RawPrediction, rows: slice, asked: Asked | _Incomparable, requests: int) -> BatchAnswer:
        """What the heads answer for so many requests at once; see `Work`.

        Raises: ContradictionError, of one request or of the first of several that one of them met.
        """
        outputs = {name: array[rows] for name, array in raw.outputs.items()}
        predictions = {
            name: self._prediction(name, head, outputs[name], asked.by_head[name], requests)
            for name, head in self.heads.items()
        }
        warnings: tuple[HeadWarning, ...] = ()
        for name, head in self.heads.items():
            warnings += self._warnings(name, head, predictions[name], requests)
        for name, made in predictions.items():
            self.answers.add(self.model.name, self.model.version, name, made)
        heads = {name: HeadAnswer(self.heads[name], made, outputs[name]) for name, made in predictions.items()}
        return BatchAnswer(self.model, heads, warnings, {name: outputs[name] for name in self.outputs})

    def may_be_ones_fault(self, error: Exception) -> bool:
        """Whether the batch is worth another try in halves; see `Work`."""
        if isinstance(error, ContradictionError):
            return isinstance(error.error, OutputShapeError)
        return isinstance(error, BackendRejectedError) and error.status in _OF_A_ROW

    @cached_property
    def _plain(self) -> Asked:
        return Asked(NO_OPTIONS, NO_OPTIONS.by_head(self.heads))

    @cached_property
    def _target(self) -> ModelSpec:
        return ModelSpec(self.model.name, self.model.version, signature_name=self.signature_name)

    @cached_property
    def _wanted(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.heads, *self.outputs)))

    @cached_property
    def _places(self) -> Mapping[str, Place]:
        digest = self.model.valid_card().digest
        return {
            name: Place(self.model.name, self.model.version, digest, self.signature_name, name) for name in self._wanted
        }

    def _prediction(self, name: str, head: Head, output: NDArray[Any], options: Options, requests: int) -> Prediction:
        try:
            prediction = head.answer(output, options, strict=self.tripwires.strict)
            if requests > 1 and (told := prediction.observations.contradictions):
                raise OutputRangeError(told[0])  # whose rows contradict is told request by request
        except HeadMismatchError as error:
            raise ContradictionError(self._places[name], error) from error
        return prediction

    def _warnings(self, name: str, head: Head, prediction: Prediction, requests: int) -> tuple[HeadWarning, ...]:
        try:
            return self.tripwires.judge(self._places[name], head, prediction, requests)
        except HeadMismatchError as error:
            raise ContradictionError(self._places[name], error) from error

    def _check_rows(self, raw: RawPrediction, name: str, rows: int) -> None:
        """Check that an output came, and is (rows, ...)."""
        if name not in raw.outputs:
            came = ", ".join(raw.outputs) or "none"
            raise ContradictionError(self._places[name], OutputMissingError(f"it did not come; these came: {came}"))
        shape = raw.outputs[name].shape
        if shape[:1] != (rows,):
            raise ContradictionError(self._places[name], OutputShapeError(f"it has the shape {shape} for {rows} rows"))


def left(deadline: float) -> float:
    """Seconds until a deadline of the loop's clock; a call that is late still needs a positive one to fail."""
    return max(deadline - asyncio.get_running_loop().time(), 0.001)


def _concatenated(inputs: Sequence[Arrays]) -> Arrays:
    return {name: np.concatenate([one[name] for one in inputs]) for name in inputs[0]}
