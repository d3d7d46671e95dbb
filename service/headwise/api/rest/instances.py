"""A headwise :classify body as arrays: row form (`instances`) or column form (`inputs`), by the signature."""

from __future__ import annotations

import base64
import binascii
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.api.rest import json_numbers
from headwise.api.rest.json_numbers import Numbers
from headwise.api.shapes import MOST_AXES
from headwise.backends.base import Arrays
from headwise.errors import InvalidRequestError, InvalidTensorError, UnsupportedError
from headwise.preflight import check_names
from headwise.savedmodel import Signature, TensorSpec
from headwise.savedmodel.signature import NUMPY_DTYPES

_EXPECTED = {
    "f": "numbers",
    "i": "whole numbers",
    "u": "whole numbers from 0",
    "b": "true or false",
    "O": "texts",
}
_LEAVES_AT_ONCE = 50_000
"""Elements of lists that numpy is given: it holds the interpreter's lock for about 3 ms."""

_ROW_OBJECTS = 'each row must be an object: {"NAME": ..., ...}'
_ACCEPTED: Mapping[str, frozenset[type]] = {
    "f": frozenset({int, float}),
    "i": frozenset({int}),
    "u": frozenset({int}),
    "b": frozenset({bool}),
}


def read_inputs(document: Mapping[str, Any], signature: Signature) -> Arrays:
    """The arrays of a parsed body that holds either `instances` or `inputs`.

    Raises: InvalidRequestError, InvalidTensorError naming the place in the body.
    """
    rows = document.get("instances")
    if type(rows) is list and rows and type(rows[0]) is not dict and len(signature.inputs) == 1:
        ((name, spec),) = signature.inputs.items()
        return {name: read_array(rows, "instances", spec)}
    if "inputs" in document:
        columns, places = _from_columns(document["inputs"], signature)
    else:
        columns, places = _from_rows(document["instances"], signature)
    check_names(columns, signature)
    return {name: read_array(value, places[name], signature.inputs[name]) for name, value in columns.items()}


def _from_columns(inputs: Any, signature: Signature) -> tuple[dict[str, Any], dict[str, str]]:
    if isinstance(inputs, dict) and not _is_b64(inputs):
        return inputs, {name: f"inputs.{name}" for name in inputs}
    name = _only_input(signature, 'inputs must be an object: {"NAME": [...], ...}')
    return {name: inputs}, {name: "inputs"}


def _from_rows(instances: Any, signature: Signature) -> tuple[dict[str, Any], dict[str, str]]:
    if isinstance(instances, Numbers):
        return {_only_input(signature, _ROW_OBJECTS): instances}, dict.fromkeys(signature.inputs, "instances")
    if not isinstance(instances, list) or not instances:
        raise InvalidRequestError("instances must be a list with at least one row")
    if not isinstance(instances[0], dict) or _is_b64(instances[0]):
        name = _only_input(signature, _ROW_OBJECTS)
        return {name: instances}, {name: "instances"}
    names = instances[0].keys()
    for number, row in enumerate(instances):
        if not isinstance(row, dict) or row.keys() != names:
            raise InvalidTensorError(f"instances[{number}] must be an object with the keys {', '.join(names)}")
    return {name: [row[name] for row in instances] for name in names}, {n: f"instances[…].{n}" for n in names}


def _only_input(signature: Signature, otherwise: str) -> str:
    if len(signature.inputs) != 1:
        raise InvalidTensorError(f"the model has the inputs {', '.join(map(repr, signature.inputs))}: {otherwise}")
    return next(iter(signature.inputs))


def read_array(value: Any, place: str, spec: TensorSpec) -> NDArray[Any]:
    """A nested list, or what was read as Numbers, as an array of the input's dtype."""
    dtype = NUMPY_DTYPES.get(spec.dtype)
    if dtype is None or dtype.kind == "c" or spec.dtype == "bfloat16":
        raise UnsupportedError(f"{place}: the model takes {spec.dtype}, which JSON cannot carry")
    read = _read_lists if type(value) is list and value and type(value[0]) is list else _read_any
    try:
        with np.errstate(over="raise"):
            return read(value, place, spec, dtype)
    except FloatingPointError:
        # Strict JSON has no infinity: the number was finite, and the model's own type cannot hold it.
        with np.errstate(over="ignore"):
            infinite = np.argwhere(np.isinf(read(value, place, spec, dtype)))
        at = "".join(f"[{n}]" for n in infinite[0].tolist())
        raise InvalidTensorError(f"{place}{at} is too large for {spec.dtype}") from None


def _read_any(value: Any, place: str, spec: TensorSpec, dtype: np.dtype[Any]) -> NDArray[Any]:
    array = _cast(json_numbers.array(value), dtype)
    if array is None and isinstance(value, Numbers):
        array = _one_by_one(value, place, dtype)
    return _read_lists(json_numbers.plain(value), place, spec, dtype) if array is None else array


def _cast(numbers: NDArray[Any] | None, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """Numbers in the input's dtype; None where each has to be looked at, as it was written."""
    if numbers is None or dtype.kind not in "fiu":
        return None
    if dtype.kind == "f":
        # By way of float64, as numpy goes with Python's numbers.
        return numbers.astype(np.float64, copy=False).astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    fits = numbers.dtype.kind == "i" and limits.min <= numbers.min() and numbers.max() <= limits.max
    return numbers.astype(dtype, copy=False) if fits else None


def _one_by_one(numbers: Numbers, place: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Numbers in a dtype that is not made for all of them, each by how it is written."""
    parts: list[NDArray[Any]] = []
    for leaves in json_numbers.leaves(numbers):
        for number, leaf in enumerate(leaves):
            if complaint := _complaint(leaf, dtype):
                at = np.unravel_index(sum(map(len, parts)) + number, numbers.array.shape)
                raise InvalidTensorError(f"{place}{''.join(f'[{n}]' for n in at)} {complaint}")
        parts.append(np.array(leaves, dtype))
    return np.concatenate(parts).reshape(numbers.array.shape)


def _read_lists(value: Any, place: str, spec: TensorSpec, dtype: np.dtype[Any]) -> NDArray[Any]:
    shape = _shape(value)
    if len(shape) > MOST_AXES:
        raise InvalidTensorError(f"{place} is nested {len(shape)} deep: the model takes {spec}")
    if dtype.kind == "O":
        return _texts(value, place, shape)
    few = math.prod(shape) <= _LEAVES_AT_ONCE
    array = _regular(value, dtype, shape) if few else _in_parts(value, dtype, shape)
    if array is None:
        raise InvalidTensorError(next(_complaints(value, place, dtype, shape)))
    return array


def _in_parts(value: list[Any], dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    rows = max(1, _LEAVES_AT_ONCE // max(1, math.prod(shape[1:])))
    parts = []
    for start in range(0, len(value), rows):
        some = value[start : start + rows]
        part = _regular(some, dtype, (len(some), *shape[1:]))
        if part is None:
            return None
        parts.append(part)
        time.sleep(0)  # as json_numbers does
    return np.concatenate(parts)


def _regular(value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """A regular nested list as an array; None where it is none."""
    try:
        array = np.array(value, dtype)
    except (ValueError, TypeError, OverflowError):
        return None
    # numpy would read true as 1, "1" as 1, null as NaN and 1.5 as a whole number: the types are looked at, too.
    return array if array.shape == shape and _leaf_types(value, len(shape)) <= _ACCEPTED[dtype.kind] else None


def _shape(value: Any) -> tuple[int, ...]:
    """The shape that the first elements suggest."""
    sizes = []
    while isinstance(value, list):
        sizes.append(len(value))
        value = value[0] if value else None
    return tuple(sizes)


def _leaf_types(value: Any, axes: int) -> set[type]:
    """The types of a regular nested list's elements."""
    leaves: Iterable[Any] = value if axes else (value,)
    for _ in range(1, axes):
        leaves = chain.from_iterable(leaves)
    return set(map(type, leaves))


def _texts(value: Any, place: str, shape: tuple[int, ...]) -> NDArray[Any]:
    flat: list[bytes] = []

    def visit(element: Any, at: str, depth: int) -> None:
        if depth < len(shape) and isinstance(element, list) and len(element) == shape[depth]:
            for number, child in enumerate(element):
                visit(child, f"{at}[{number}]", depth + 1)
        elif depth == len(shape) and isinstance(element, str):
            flat.append(element.encode("utf-8"))
        elif depth == len(shape) and isinstance(element, dict) and _is_b64(element):
            flat.append(_decoded(element["b64"], at))
        else:
            raise InvalidTensorError(next(_complaints(value, place, np.dtype(object), shape)))

    visit(value, place, 0)
    array = np.empty(len(flat), dtype=object)
    array[:] = flat
    return array.reshape(shape)


def _decoded(text: Any, place: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise InvalidTensorError(f"{place}.b64 is no base64 text") from None


def _is_b64(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"}


def _complaints(value: Any, place: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Iterator[str]:
    """What is wrong with a nested list that is no array of this dtype and shape, and where, from the first on."""
    stack = [(value, place, 0)]
    while stack:
        element, at, depth = stack.pop()
        if depth == len(shape):
            if complaint := _complaint(element, dtype):
                yield f"{at} {complaint}"
        elif not isinstance(element, list):
            yield f"{at} is {_described(element)}: a list of {shape[depth]} is expected, as in the first row"
        elif len(element) != shape[depth]:
            yield f"{at} has {len(element)} elements: {shape[depth]} are expected, as in the first row"
        else:
            stack.extend((child, f"{at}[{n}]", depth + 1) for n, child in reversed(list(enumerate(element))))


def _complaint(element: Any, dtype: np.dtype[Any]) -> str | None:
    if not _is_of(element, dtype):
        return f"is {_described(element)}: {_EXPECTED[dtype.kind]} are expected"
    if dtype.kind in "iu" and not np.iinfo(dtype).min <= element <= np.iinfo(dtype).max:
        return f"is {_described(element)}: {dtype} cannot hold it"
    return None


def _is_of(element: Any, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "O":
        return isinstance(element, str) or _is_b64(element)
    return type(element) in _ACCEPTED[dtype.kind]


def _described(element: Any) -> str:
    match element:
        case None:
            return "null"
        case bool():
            return "true" if element else "false"
        case str():
            return f"the text {element[:40]!r}"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return f"the number {element}"
