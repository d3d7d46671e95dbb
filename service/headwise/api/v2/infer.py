"""ModelInfer, whatever carries it: named tensors to what heads answer, or to the model's own outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from headwise.api.finite import check_finite
from headwise.api.numbers import MOST_DIGITS, whole_number
from headwise.api.options import ClassifyOptions
from headwise.api.v2.outputs import of_heads, own_name, prefixed, ranked, raw_name
from headwise.api.v2.parameters import Parameters, read_options
from headwise.backends.base import Arrays, RawPrediction
from headwise.errors import HeadNotFoundError, InvalidRequestError, InvalidTensorError, VersionNotFoundError
from headwise.gateway import Classification, Gateway
from headwise.repository.model_spec import ModelSpec
from headwise.repository.sources import MAX_VERSION
from headwise.savedmodel.signature import DEFAULT_SIGNATURE


@dataclass(frozen=True, slots=True)
class Requested:
    """An output that a request names. classification: how many classes to list in its place; 0 for none."""

    name: str
    classification: int = 0


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request; no outputs means all that the heads answer, or all of the model where it has no card."""

    spec: ModelSpec
    inputs: Sequence[tuple[str, NDArray[Any]]]
    parameters: Parameters = field(default_factory=dict)
    outputs: Sequence[Requested] = ()


@dataclass(frozen=True, slots=True)
class InferAnswer:
    """Tensors by name in the order that was asked, and the version that answered."""

    model: str
    version: int
    outputs: Mapping[str, NDArray[Any]]


def model_spec(name: str, version: str, signature_name: str = DEFAULT_SIGNATURE) -> ModelSpec:
    """A model, and a version in digits; empty for the newest admitted one.

    Raises: VersionNotFoundError.
    """
    if not version:
        return ModelSpec(name, signature_name=signature_name)
    number = whole_number(version)
    if number is None or number > MAX_VERSION:
        raise VersionNotFoundError(f"model {name} has no version {version[:MOST_DIGITS]!r}: versions are numbers")
    return ModelSpec(name, number, signature_name=signature_name)


def requested(place: str, name: str, parameters: Parameters) -> Requested:
    """An output of a request.

    Raises: InvalidRequestError.
    """
    count = parameters.get("classification", 0)
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise InvalidRequestError(f"{place}.parameters.classification must be a whole number from 0")
    return Requested(name, count)


async def infer(gateway: Gateway, request: InferRequest, *, timeout: float) -> InferAnswer:
    """Answer by the head card; by the model's own numbers where there is none.

    Raises: every HeadwiseError that a request can meet.
    """
    signature_name, options = read_options(request.parameters)
    spec = replace(request.spec, signature_name=signature_name)
    arrays = _inputs(request.inputs)
    raw = tuple(dict.fromkeys(name for one in request.outputs if (name := own_name(one.name)) is not None))
    try:
        found = await gateway.classify(spec, lambda _: arrays, options, timeout=timeout, outputs=raw)
    except HeadNotFoundError as no_head:
        return _without_head(spec, await gateway.raw(spec, lambda _: arrays, timeout=timeout), request, no_head)
    check_finite(found.outputs)
    return InferAnswer(found.model.name, found.model.version, _chosen(found, request.outputs))


def _inputs(named: Sequence[tuple[str, NDArray[Any]]]) -> Arrays:
    arrays = dict(named)
    if len(arrays) != len(named):
        raise InvalidTensorError("an input is there twice: " + ", ".join(name for name, _ in named))
    return arrays


def _chosen(found: Classification, outputs: Sequence[Requested]) -> dict[str, NDArray[Any]]:
    tensors = of_heads({name: answer.prediction for name, answer in found.heads.items()})
    return {one.name: _one(found, tensors, one) for one in outputs} if outputs else tensors


def _one(found: Classification, tensors: Arrays, one: Requested) -> NDArray[Any]:
    if one.classification:
        return _ranked(found, one)
    raw = own_name(one.name)
    if raw is not None:
        return found.outputs[raw]
    if one.name not in tensors:
        raise InvalidRequestError(
            f"the heads of {found.model} do not answer {one.name!r}; they answer {', '.join(map(repr, tensors))}"
        )
    return tensors[one.name]


def _ranked(found: Classification, one: Requested) -> NDArray[Any]:
    """The classes of the head that is meant, by its name or by its probabilities."""
    several = len(found.heads) > 1
    names = {name: head for head in found.heads for name in (head, prefixed(head, "probabilities", several=several))}
    if one.name not in names:
        raise InvalidRequestError(
            f"output {one.name!r} has no classes; classification lists those of {', '.join(map(repr, names))}"
        )
    prediction = found.heads[names[one.name]].prediction
    if prediction.probabilities is None:
        raise InvalidRequestError(f"output {one.name!r} has no probabilities to rank: it is {prediction.task}")
    return ranked(prediction, one.classification)


def _without_head(
    spec: ModelSpec, raw: RawPrediction, request: InferRequest, no_head: HeadNotFoundError
) -> InferAnswer:
    """The model's own numbers."""
    if request.parameters.keys() & ClassifyOptions.model_fields.keys():
        raise no_head
    chosen = {}
    for one in request.outputs or [Requested(raw_name(name)) for name in raw.outputs]:
        name = own_name(one.name)
        if name is None or one.classification:
            raise no_head
        if name not in raw.outputs:
            raise InvalidRequestError(f"{spec} has no output {name!r}; its outputs are {', '.join(raw.outputs)}")
        chosen[one.name] = raw.outputs[name]
    check_finite(chosen)
    return InferAnswer(spec.name, raw.version, chosen)
