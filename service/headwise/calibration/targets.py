"""What was true, held against the head: class indices, a 0/1 matrix, or values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise.errors import InvalidRequestError
from headwise.heads import Head

Array = NDArray[Any]


def check_targets(targets: ArrayLike, head: Head, shape: tuple[int, ...]) -> Array:
    """Targets for an output of `shape` (batch, *positions, units), one row a position, as the metrics take them.

    Class indices (rows,) int64 for binary, multiclass and ordinal heads, from indices or a one-hot matrix;
    (rows, labels) bool for multilabel; (rows, units) float64 for regression. A last axis of one may be left out.

    Raises: InvalidRequestError, saying what is expected.
    """
    given = np.asarray(targets)
    if given.dtype.kind not in "biuf":
        raise InvalidRequestError(f"targets are {given.dtype}: numbers are expected, {_expected(head, shape)}")
    if not np.isfinite(given).all():
        at = np.argwhere(~np.isfinite(given))[0].tolist()
        raise InvalidRequestError(f"targets hold {given[tuple(at)]} at {at}: numbers must be finite")
    if given.shape[:1] != shape[:1]:
        rows = given.shape[0] if given.ndim else "no"
        raise InvalidRequestError(f"targets have {rows} rows, but the inputs have {shape[0]}")
    match head.task:
        case "multilabel":
            return _matrix(given, head, shape).astype(bool)
        case "regression":
            return _reshaped(given, head, shape, shape[-1]).astype(np.float64)
        case _:
            return _indices(given, head, shape)


def _indices(given: Array, head: Head, shape: tuple[int, ...]) -> Array:
    classes = len(head.labels)
    if given.shape == (*shape[:-1], classes) and classes > 1:
        matrix = given.reshape(-1, classes)
        if not (np.isin(matrix, (0, 1)).all() and (matrix.sum(axis=1) == 1).all()):
            raise InvalidRequestError(f"targets are a matrix that is not one-hot: {_expected(head, shape)}")
        return np.asarray(matrix.argmax(axis=1))
    flat = _reshaped(given, head, shape, 1)[:, 0]
    legal = np.isin(flat, np.arange(classes))
    if not legal.all():
        at = int(np.argmin(legal))
        raise InvalidRequestError(
            f"targets hold {flat[at]:g} in row {at}, but the head has {classes} classes: {_expected(head, shape)}"
        )
    return flat.astype(np.int64)


def _matrix(given: Array, head: Head, shape: tuple[int, ...]) -> Array:
    matrix = _reshaped(given, head, shape, len(head.labels))
    if not np.isin(matrix, (0, 1)).all():
        odd = matrix[~np.isin(matrix, (0, 1))][0]
        raise InvalidRequestError(f"targets hold {odd:g}: {_expected(head, shape)}")
    return matrix


def _reshaped(given: Array, head: Head, shape: tuple[int, ...], width: int) -> Array:
    if given.shape != (*shape[:-1], width) and not (width == 1 and given.shape == shape[:-1]):
        raise InvalidRequestError(f"targets have shape {given.shape}: {_expected(head, shape)}")
    return given.reshape(-1, width)


def _expected(head: Head, shape: tuple[int, ...]) -> str:
    match head.task:
        case "multilabel":
            return f"a multilabel head takes 0 or 1 a label, in shape {(*shape[:-1], len(head.labels))}"
        case "regression":
            return f"a regression head takes values in shape {shape}"
        case _:
            return f"a {head.task} head takes class indices from 0 to {len(head.labels) - 1}, in shape {shape[:-1]}"
