"""Predictions as TensorFlow Serving prints them, to the byte."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from math import prod
from typing import Any

from numpy.typing import NDArray

from headwise.api.finite import check_finite
from headwise.api.rest.tfs.digits import decimals
from headwise.api.rest.tfs.json_text import INDENT, quote
from headwise.backends.base import Arrays
from headwise.errors import InvalidRequestError

_BOOLEANS = ("false", "true")


def predictions(outputs: Arrays, *, row: bool, bare: bool = False) -> bytes:
    """Print outputs row by row or as columns. bare: NaN and Infinity may stand, which is no JSON.

    Raises: NonFiniteOutputError, and InvalidRequestError for outputs that the form cannot carry.
    """
    if not outputs:
        raise InvalidRequestError("Cannot convert empty tensor map to JSON")
    if not bare:
        check_finite(outputs)
    body = _rows(outputs) if row else _columns(outputs)
    return f"{{\n{body}\n}}".encode("utf-8", "surrogateescape")


def classifications(labels: Sequence[Sequence[str]], scores: NDArray[Any], *, bare: bool = False) -> bytes:
    """Print what Classify answers: a score (batch, classes) for each label.

    Raises: NonFiniteOutputError.
    """
    if not bare:
        check_finite({"scores": scores})
    rows = []
    for names, numbers in zip(labels, scores, strict=True):
        pairs = zip(names, decimals(numbers), strict=True)
        rows.append(f"[{', '.join(f'[{quote(name)}, {text}]' for name, text in pairs)}]")
    return _results(f"{', '.join(rows)}\n{INDENT}")


def regressions(values: NDArray[Any], *, bare: bool = False) -> bytes:
    """Print what Regress answers: a value (batch,) each.

    Raises: NonFiniteOutputError.
    """
    if not bare:
        check_finite({"outputs": values})
    return _results(", ".join(decimals(values)))


def _results(elements: str) -> bytes:
    return f'{{\n{INDENT}"results": [{elements}]\n}}'.encode("utf-8", "surrogateescape")


def _rows(outputs: Arrays) -> str:
    _check_rows(outputs)
    if len(outputs) == 1:
        ((name, output),) = outputs.items()
        rows = ", ".join(_elements(name, output, first_axis=1, depth=2, one_line=True))
    else:
        columns = [
            [f"{INDENT * 3}{quote(name)}: {text}" for text in _elements(name, output, 1, 3, one_line=True)]
            for name, output in outputs.items()
        ]
        objects = (",\n".join(members) for members in zip(*columns, strict=True))
        rows = ",".join(f"\n{INDENT * 2}{{\n{members}\n{INDENT * 2}}}" for members in objects)
    return f'{INDENT}"predictions": [{rows}\n{INDENT}]' if rows else f'{INDENT}"predictions": []'


def _check_rows(outputs: Arrays) -> None:
    expected: int | None = None
    for name, output in outputs.items():
        if not output.ndim:
            raise InvalidRequestError(f"Tensor name: {name} has no shape information ")
        if expected is not None and len(output) != expected:
            sizes = f"{len(output)} expecting: {expected}"
            raise InvalidRequestError(f"Tensor name: {name} has inconsistent batch size: {sizes}")
        expected = len(output)


def _columns(outputs: Arrays) -> str:
    if len(outputs) == 1:
        ((name, output),) = outputs.items()
        return f'{INDENT}"outputs": {_elements(name, output, 0, 1, one_line=False)[0]}'
    members = ",\n".join(
        f"{INDENT * 2}{quote(name)}: {_elements(name, output, 0, 2, one_line=False)[0]}"
        for name, output in outputs.items()
    )
    return f'{INDENT}"outputs": {{\n{members}\n{INDENT}}}'


def _elements(name: str, output: NDArray[Any], first_axis: int, depth: int, *, one_line: bool) -> list[str]:
    """The texts of a tensor's elements along the axes before `first_axis`, at `depth` open brackets."""
    shape = output.shape
    texts = _leaves(name, output, depth + output.ndim - first_axis)
    for axis in reversed(range(first_axis, output.ndim)):
        size = shape[axis]
        texts = [
            _list(texts[index * size : (index + 1) * size], depth + axis - first_axis, one_line=one_line)
            for index in range(prod(shape[:axis]))
        ]
    return texts


def _list(texts: Sequence[str], depth: int, *, one_line: bool) -> str:
    if one_line or not texts:
        return f"[{', '.join(texts)}]"
    line = f"\n{INDENT * (depth + 1)}"
    return f"[{line}{f',{line}'.join(texts)}\n{INDENT * depth}]"


def _leaves(name: str, output: NDArray[Any], depth: int) -> list[str]:
    """Each value of a tensor as JSON, in row-major order."""
    flat = output.reshape(-1)
    match output.dtype.kind:
        case "f":
            return decimals(flat.astype(output.dtype))
        case "i" | "u":
            return [str(value) for value in flat.tolist()]
        case "b":
            return [_BOOLEANS[value] for value in flat.tolist()]
        case "O" if name.endswith("_bytes"):
            opening, closing = f'{{\n{INDENT * (depth + 1)}"b64": "', f'"\n{INDENT * depth}}}'
            return [f"{opening}{base64.b64encode(value).decode()}{closing}" for value in flat.tolist()]
        case "O":
            return [quote(value.decode("utf-8", "surrogateescape")) for value in flat.tolist()]
        case _:
            raise InvalidRequestError(f"Failed to write JSON value for tensor type: {output.dtype.name}")
