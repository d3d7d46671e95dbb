"""JSON values to arrays by TensorFlow Serving's rules: which value fits which dtype, and what it becomes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.api.rest import json_numbers
from headwise.api.rest.json_numbers import Numbers
from headwise.api.rest.tfs.json_text import Json, decode, echo, type_name
from headwise.errors import InvalidRequestError, UnsupportedError
from headwise.savedmodel.signature import NUMPY_DTYPES

Tensor = NDArray[Any]

MAX_RANK = 64
"""numpy's limit."""

_TFS_NAMES: Mapping[str, str] = {"float32": "float", "float64": "double", "float16": "half"}

_INT32 = (-(2**31), 2**31 - 1)
_RANGES: Mapping[str, tuple[int, int]] = {
    # The small ones take any int32 and keep its low bits, as TFS does.
    "int8": _INT32,
    "int16": _INT32,
    "uint8": _INT32,
    "int32": _INT32,
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
_TYPES: Mapping[str, frozenset[type]] = {
    "float32": frozenset({int, float}),
    "float64": frozenset({int, float}),
    "bool": frozenset({bool}),
    "string": frozenset({str}),
    **dict.fromkeys(_RANGES, frozenset({int})),
}
"""The dtypes that JSON can carry, and the values that each takes. bool is no int here."""


def tensor(value: Json | Numbers, dtype: str) -> Tensor:
    """A value or nested lists as one array.

    Raises: InvalidRequestError, UnsupportedError.
    """
    array = uniform(value, dtype)
    if array is not None:
        return array
    if isinstance(value, Numbers):
        raise InvalidRequestError(f"one of the numbers is no {dtype}")
    shape = _shape(value)
    return _array(_leaves(value, shape, dtype), shape, dtype)


def uniform(value: Json | Numbers, dtype: str) -> Tensor | None:
    """The fast way: lists of equal lengths all through and plain values that fit, or None."""
    if isinstance(value, Numbers):
        return _of_numbers(value, dtype)
    level: Sequence[Any] = [value]
    shape: list[int] = []
    while set(map(type, level)) == {list}:
        sizes = set(map(len, level))
        if len(sizes) > 1:
            return None
        shape += sizes
        level = list(chain.from_iterable(level))
    if len(shape) > MAX_RANK or not _fits(level, dtype):
        return None
    return _array([text.encode() for text in level] if dtype == "string" else level, shape, dtype)


def _of_numbers(numbers: Numbers, dtype: str) -> Tensor | None:
    """The same, block by block; RapidJSON rounds decimals in its own way, so it reads them once more."""
    parts = []
    for leaves in json_numbers.leaves(numbers, decode):
        if not _fits(leaves, dtype):
            return None
        parts.append(_array(leaves, [len(leaves)], dtype))
    return np.concatenate(parts).reshape(numbers.array.shape)


class Stack:
    """Rows of one input, read one after the other; all must have the shape of the first."""

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype
        self._rows: list[Sequence[Any]] = []
        self._shape: list[int] = []

    def add(self, value: Json) -> None:
        """Add a row.

        Raises: InvalidRequestError, UnsupportedError.
        """
        shape = _shape(value)
        _check_rank(len(shape) + 1)
        row = _leaves(value, shape, self._dtype)
        if not self._rows:
            self._shape = shape
        elif len(row) != len(self._rows[0]):
            raise InvalidRequestError(f"Expecting tensor size: {len(self._rows[0])} but got: {len(row)}")
        elif shape != self._shape:
            raise InvalidRequestError(f"Expecting shape {_listed(self._shape)} but got: {_listed(shape)}")
        self._rows.append(row)

    def array(self) -> Tensor:
        """All rows as one array (rows, ...)."""
        return _array(list(chain.from_iterable(self._rows)), [len(self._rows), *self._shape], self._dtype)


def is_base64(value: Json) -> bool:
    """Whether a value is `{"b64": text}`, and nothing else."""
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def _shape(value: Json) -> list[int]:
    """The lengths of the first list at each level."""
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    _check_rank(len(shape))
    return shape


def _check_rank(rank: int) -> None:
    if rank > MAX_RANK:
        raise InvalidRequestError(f"Lists are nested {rank} deep; tensors have at most {MAX_RANK} axes")


def _listed(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _leaves(value: Json, shape: Sequence[int], dtype: str, level: int = 0) -> Sequence[Any]:
    """The values of nested lists in row-major order, each checked."""
    if not isinstance(value, list):
        if level != len(shape):
            raise InvalidRequestError(
                f"JSON Value: {echo(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        return [_leaf(value, dtype)]
    if level >= len(shape):
        raise InvalidRequestError(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise InvalidRequestError(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    return [leaf for element in value for leaf in _leaves(element, shape, dtype, level + 1)]


def _fits(values: Sequence[Any], dtype: str) -> bool:
    if dtype not in _TYPES or not set(map(type, values)) <= _TYPES[dtype]:
        return False
    if dtype not in _RANGES or not values:
        return True
    low, high = _RANGES[dtype]
    return bool(low <= min(values) and max(values) <= high)


def _leaf(value: Any, dtype: str) -> object:
    if isinstance(value, dict) and dtype == "string":
        if not is_base64(value):
            raise InvalidRequestError(f"JSON Value: {echo(value)} not formatted correctly for base64 data")
        return from_base64(value)
    name = _TFS_NAMES.get(dtype, dtype)
    if dtype not in _TYPES and not isinstance(value, dict):
        raise UnsupportedError(f"Conversion of JSON Value: {echo(value)} to type: {name}")
    if not _fits([value], dtype):
        kind = type_name(value)
        raise InvalidRequestError(f"JSON Value: {echo(value)} Type: {kind} is not of expected type: {name}")
    return value.encode() if isinstance(value, str) else value


def from_base64(value: Mapping[str, Any]) -> bytes:
    """The bytes of a value that `is_base64`.

    Raises: InvalidRequestError.
    """
    text = "".join(value["b64"].split())
    padded = text if text.endswith("=") else text + "=" * (-len(text) % 4)
    try:
        return base64.b64decode(padded, validate=True)
    except ValueError:
        raise InvalidRequestError("Unable to base64 decode") from None


def _array(leaves: Sequence[Any], shape: Sequence[int], dtype: str) -> Tensor:
    target = NUMPY_DTYPES[dtype]
    if dtype == "string":
        strings = np.empty(len(leaves), object)
        strings[:] = leaves
        return strings.reshape(shape)
    if target.kind != "f":
        # Through 64 bits, so that the small types wrap.
        wide = np.uint64 if target == np.uint64 else np.int64
        return np.array(leaves, wide).astype(target).reshape(shape)
    with np.errstate(over="ignore", under="ignore"):
        numbers: NDArray[np.floating[Any]] = np.array(leaves, np.float64).astype(target)
    denormal = np.abs(numbers) < np.finfo(numbers.dtype).tiny
    # TFS reads JSON with denormals flushed to zero.
    return np.where(denormal, np.copysign(0, numbers), numbers).astype(target).reshape(shape)
