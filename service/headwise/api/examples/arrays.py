"""tf.Examples to a model's input arrays by its signature: the feature of an input's name, shaped as the input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.api.examples.examples import INSTEAD, Example, Examples, Feature
from headwise.backends.base import Arrays
from headwise.errors import InvalidTensorError, UnsupportedError
from headwise.savedmodel import Signature, TensorSpec
from headwise.savedmodel.signature import NUMPY_DTYPES

_ACCEPTED: Mapping[str, tuple[type, ...]] = {"f": (int, float), "i": (int,), "u": (int,), "b": (int,), "O": (bytes,)}
"""The kinds of features that each kind of dtype takes."""
_CALLED: Mapping[type, str] = {int: "integers", float: "floats", bytes: "bytes"}


def arrays(examples: Examples, signature: Signature) -> Arrays:
    """One array (batch, ...) an input; features that are no input are passed over, as tf.Example parsing does.

    Raises: InvalidTensorError naming the example and the feature, UnsupportedError.
    """
    rows = examples.merged()
    return {
        name: _array(name, _column(name, rows, spec), spec)
        for name, spec in signature.inputs.items()
        if name not in signature.defaults or any(row.get(name) for row in rows)
    }


def _column(name: str, rows: Sequence[Example], spec: TensorSpec) -> list[Feature]:
    """The feature of every row."""
    column = [row.get(name, ()) for row in rows]
    for index, feature in enumerate(column):
        if not feature:
            raise InvalidTensorError(f"examples[{index}] has no feature {name!r}: the model takes {spec}")
    return column


def _array(name: str, column: Sequence[Feature], spec: TensorSpec) -> NDArray[Any]:
    dtype = NUMPY_DTYPES.get(spec.dtype)
    if dtype is None or dtype.kind not in _ACCEPTED or spec.dtype == "bfloat16":
        raise UnsupportedError(f"feature {name!r}: the model takes {spec.dtype}, which tf.Examples cannot carry")
    for index, feature in enumerate(column):
        kind = type(feature[0])
        if kind not in _ACCEPTED[dtype.kind]:
            raise InvalidTensorError(
                f"examples[{index}]: feature {name!r} holds {_CALLED[kind]}: the model takes {spec}"
            )
    shape = (len(column), *_row_shape(name, column, spec))
    if dtype.kind == "O":
        texts = np.empty(sum(map(len, column)), object)
        texts[:] = list(chain.from_iterable(column))
        return texts.reshape(shape)
    numbers: NDArray[Any] = np.array(column)
    if dtype.kind != "f":
        _check_range(name, numbers, dtype)
    with np.errstate(over="ignore"):
        return numbers.astype(dtype).reshape(shape)


def _row_shape(name: str, column: Sequence[Feature], spec: TensorSpec) -> tuple[int, ...]:
    """The shape that a flat feature has in the input, all rows alike."""
    if not spec.shape:
        raise InvalidTensorError(f"input {name!r} is {spec}, which tf.Examples cannot fill row by row: {INSTEAD}")
    sizes = spec.shape[1:]
    if sizes.count(None) > 1:
        raise InvalidTensorError(
            f"input {name!r} is {spec}: the shape of a flat feature is ambiguous with several free axes; {INSTEAD}"
        )
    fixed, first = prod(size for size in sizes if size is not None), len(column[0])
    fits = first == fixed if None not in sizes else bool(fixed) and first % fixed == 0
    if not fits:
        raise InvalidTensorError(f"examples[0]: feature {name!r} has {_values(first)}: the model takes {spec}")
    for index, feature in enumerate(column):
        if len(feature) != first:
            raise InvalidTensorError(
                f"examples[{index}]: feature {name!r} has {_values(len(feature))}, but {first} in examples[0]: "
                f"the model takes {spec}"
            )
    return tuple(first // fixed if size is None else size for size in sizes)


def _check_range(name: str, numbers: NDArray[Any], dtype: np.dtype[Any]) -> None:
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype.name).min, np.iinfo(dtype.name).max)
    outside = (numbers < low) | (numbers > high)
    if outside.any():
        index, at = np.argwhere(outside)[0].tolist()
        raise InvalidTensorError(
            f"examples[{index}]: feature {name!r} holds {numbers[index, at]}: {dtype.name} goes from {low} to {high}"
        )


def _values(count: int) -> str:
    return f"{count} value{'' if count == 1 else 's'}"
