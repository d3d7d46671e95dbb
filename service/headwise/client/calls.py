"""What can be asked, for every wire."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise.errors import InvalidRequestError, InvalidTensorError

Inputs: TypeAlias = "ArrayLike | Mapping[str, ArrayLike]"
"""An array of the only input, or arrays by input name; (batch, ...) each."""


class Options(TypedDict, total=False):
    """Of a classification. As in docs/heads.md: threshold, top_k, decision, abstain, coverage and include.

    version, label: which version, else the newest admitted one. timeout: seconds for all of it. batch_size: rows a
    request. progress: show a bar.
    """

    threshold: float | str | Mapping[str, float | str] | None
    top_k: int | None
    decision: Mapping[str, Any] | None
    abstain: Mapping[str, Any] | None
    coverage: float | Mapping[str, float] | None
    include: Sequence[str]
    signature_name: str
    version: int | None
    label: str | None
    timeout: float
    batch_size: int
    progress: bool


_MOST_VERSION = 2**63 - 1
_VERSION = re.compile(r"\d{1,19}", re.ASCII)
_OF_CALL = frozenset({"version", "label", "timeout", "batch_size", "progress", "signature_name"})


@dataclass(frozen=True, slots=True)
class Question:
    """One request: a model, arrays by input name ("" for the only input), and options as JSON spells them."""

    model: str
    arrays: Mapping[str, NDArray[Any]]
    version: int | None = None
    label: str | None = None
    signature_name: str = "serving_default"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Input:
    """What a model takes under a name. datatype: as V2 calls it, such as FP32. shape: -1 where any size fits."""

    datatype: str
    shape: tuple[int, ...]


def named(model: str, version: int | None = None, label: str | None = None) -> tuple[str, int | None]:
    """NAME or NAME/VERSION as name and version, beside which no label may stand.

    Raises: InvalidRequestError.
    """
    if not isinstance(version, int | None) or isinstance(version, bool):
        raise InvalidRequestError(f"version is {version!r}: a whole number is expected; a label is given as `label`")
    name, _, of_name = model.partition("/")
    if of_name and (version is not None or not _VERSION.fullmatch(of_name)):
        raise InvalidRequestError(f"model is {model!r}: NAME, or NAME/VERSION with digits and no `version` beside it")
    number = int(of_name) if of_name else version
    if number is not None and not 0 <= number <= _MOST_VERSION:
        raise InvalidRequestError(f"version is {number}: the largest is {_MOST_VERSION}")
    if number is not None and label is not None:
        raise InvalidRequestError(f"version {number} and label {label!r} are both given: ask for one")
    return name, number


def question(model: str, inputs: Inputs, options: Options) -> Question:
    """A request as a user writes it.

    Raises: InvalidRequestError, InvalidTensorError.
    """
    name, version = named(model, options.get("version"), options.get("label"))
    if "include" in options:
        options = {**options, "include": _included(options["include"])}
    by_name = inputs if isinstance(inputs, Mapping) else {"": inputs}
    arrays = {key: _array(key, value) for key, value in by_name.items()}
    sizes = {key: len(array) for key, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        raise InvalidTensorError(f"the inputs differ in their number of rows: {sizes}")
    given = {key: value for key, value in options.items() if key not in _OF_CALL and value is not None}
    return Question(
        name,
        arrays,
        version,
        options.get("label"),
        options.get("signature_name", "serving_default"),
        given,
    )


def _included(asked: str | Sequence[str]) -> tuple[str, ...]:
    """One name, or several."""
    names = (asked,) if isinstance(asked, str) else tuple(asked)
    if unknown := [name for name in names if name not in INCLUDE]:
        raise InvalidRequestError(f"include names {unknown[0]!r}; known are {', '.join(INCLUDE)}")
    return names


INCLUDE = ("probabilities", "raw", "provenance", "intervals")


def _array(name: str, value: ArrayLike) -> NDArray[Any]:
    place = f"input {name!r}" if name else "the input"
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InvalidTensorError(f"{place} is no array, its rows differ in length: {error}") from error
    if array.ndim == 0:
        raise InvalidTensorError(f"{place} has no rows: send (batch, ...)")
    if array.dtype == object and not all(isinstance(one, str | bytes) for one in array.ravel()):
        raise InvalidTensorError(f"{place} holds Python objects: numbers, texts or bytes are expected")
    return array
