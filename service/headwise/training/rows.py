"""The rows that an export runs: the user's, in any of Keras's forms, or made-up ones that fit the signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.errors import InvalidRequestError
from headwise.savedmodel.signature import NUMPY_DTYPES, Signature, TensorSpec

Array = NDArray[Any]

MOST_ROWS = 256
"""Enough to see constant and saturated outputs and rows of each decision; a large model runs them in seconds."""

_MADE_UP_ROWS = 64
_UNKNOWN_SIZE = 32
"""What an open dimension gets in made-up rows: enough for the windows and strides of usual networks."""
_SEED = 0


@dataclass(frozen=True)
class Names:
    """How a model calls its tensors, where its signature calls them otherwise.

    inputs: the signature's names in the model's order. outputs: Keras's output names to the signature's.
    """

    inputs: tuple[str, ...]
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """inputs: (rows, ...) by the signature's names. targets: (rows, ...) by output name, none where not known."""

    inputs: Mapping[str, Array]
    targets: Mapping[str, Array] = field(default_factory=dict)


class CannotMakeUpError(InvalidRequestError):
    """No rows can be made up for this signature; the text says why."""


def given(data: Any, signature: Signature, names: Names, output_names: Sequence[str]) -> Rows:
    """Rows of what Keras takes as validation data: x, (x, y), (x, y, weights), or a tf.data.Dataset of these.

    x: an array, a list of arrays, or arrays by input name. y likewise, for the outputs.
    At most MOST_ROWS: evenly spaced ones of arrays, the first ones of a dataset.

    Raises: InvalidRequestError for what has another form, or does not fit the signature's names.
    """
    x, y = _first_rows(data, signature) if hasattr(data, "element_spec") else _unpacked(data)
    inputs = _by_name(x, names.inputs, {}, "input")
    targets = {} if y is None else by_output(y, names, output_names)
    inputs = {name: _shaped(array, signature.inputs.get(name)) for name, array in inputs.items()}
    counts = {name: len(array) for name, array in (inputs | targets).items() if array.ndim}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InvalidRequestError(f"validation_data: its arrays differ in their number of rows: {listed}")
    if 0 in counts.values():
        raise InvalidRequestError("validation_data: it has no rows")
    return Rows({name: _spread(array) for name, array in inputs.items()}, targets)


def by_output(targets: Any, names: Names, output_names: Sequence[str]) -> dict[str, Array]:
    """Targets as Keras takes them, by the signature's output names.

    Raises: InvalidRequestError.
    """
    found = _by_name(targets, tuple(output_names), names.outputs, "output")
    for name, array in found.items():
        if not _is_numbers(array):
            raise InvalidRequestError(
                f"output {name!r}: its targets are texts: give class indices, a 0/1 matrix or values"
            )
        if array.ndim == 0:
            raise InvalidRequestError(f"output {name!r}: its targets are one number: give one a row")
    return found


def _is_numbers(array: Array) -> bool:
    if array.dtype.kind in "SU":
        return False
    try:
        array.astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True


def made_up(signature: Signature) -> Rows:
    """Seeded rows of the right dtypes and shapes: standard normal floats, integers of 0 and 1, images of 0 to 255.

    Raises: CannotMakeUpError.
    """
    random = np.random.default_rng(_SEED)
    return Rows({name: _made_up(name, spec, random) for name, spec in signature.inputs.items()})


def rows_to_try(signature: Signature, golden: Sequence[Mapping[str, Array]]) -> list[Mapping[str, Array]]:
    """Batches of inputs to hold a new version against an old one: golden records' and made-up ones.

    Raises: CannotMakeUpError where there are no golden ones either.
    """
    try:
        return [*golden, made_up(signature).inputs]
    except CannotMakeUpError:
        if not golden:
            raise
        return list(golden)


def _made_up(name: str, spec: TensorSpec, random: np.random.Generator) -> Array:
    dtype = NUMPY_DTYPES.get(spec.dtype)
    if dtype is None or dtype.kind not in "fiub":
        raise CannotMakeUpError(f"input {name!r} is {spec}, for which no rows can be made up")
    if not spec.shape:
        raise CannotMakeUpError(f"input {name!r} is {spec}: it says nothing of a row's shape")
    shape = (_MADE_UP_ROWS, *(size or _UNKNOWN_SIZE for size in spec.shape[1:]))
    if dtype.kind == "f":
        return random.standard_normal(shape).astype(dtype)
    return random.integers(0, 256 if spec.dtype == "uint8" else 2, shape).astype(dtype)


def _unpacked(data: Any) -> tuple[Any, Any]:
    """x and y; as in Keras, only a tuple holds both."""
    if not isinstance(data, tuple):
        return data, None
    if len(data) not in (1, 2, 3):
        raise InvalidRequestError(f"validation_data: a tuple of {len(data)}: x, (x, y) or (x, y, weights) is expected")
    return data[0], data[1] if len(data) > 1 else None


def _first_rows(dataset: Any, signature: Signature) -> tuple[Any, Any]:
    """The first rows of a tf.data.Dataset, batched or not."""
    from tensorflow import nest  # noqa: PLC0415

    elements: Any = dataset if _is_batched(dataset, signature) else dataset.batch(MOST_ROWS)
    batches, rows = [], 0
    for element in elements:
        x, y = _unpacked(element)
        batch = nest.map_structure(np.asarray, (x, () if y is None else y))
        batches.append(batch)
        rows += len(nest.flatten(batch)[0])
        if rows >= MOST_ROWS:
            break
    if not batches:
        raise InvalidRequestError("validation_data: the dataset is empty")
    x, y = nest.map_structure(lambda *parts: np.concatenate(parts)[:MOST_ROWS], *batches)
    return x, None if isinstance(y, tuple) and not y else y


def _is_batched(dataset: Any, signature: Signature) -> bool:
    """Whether its elements have the rank of the signature's inputs."""
    from tensorflow import nest  # noqa: PLC0415

    x, _ = _unpacked(dataset.element_spec)
    ranks = sorted(len(spec.shape) for spec in nest.flatten(x))
    wanted = sorted(len(spec.shape) for spec in signature.inputs.values() if spec.shape is not None)
    return ranks >= wanted


def _by_name(values: Any, names: tuple[str, ...], aliases: Mapping[str, str], what: str) -> dict[str, Array]:
    """Arrays by name: of a mapping, a list in the model's order, or one array for the only name."""
    if isinstance(values, Mapping):
        named = {aliases.get(name, name): value for name, value in values.items()}
        if unknown := [name for name in named if name not in names]:
            raise InvalidRequestError(f"{unknown[0]!r} is no {what}: the model's are {', '.join(map(repr, names))}")
    else:
        listed = list(values) if _is_several(values, names) else [values]
        if len(listed) != len(names):
            raise InvalidRequestError(
                f"{len(listed)} {what} {'array' if len(listed) == 1 else 'arrays'} for "
                f"{len(names)} {what}s: give them by name, from {', '.join(map(repr, names))}"
            )
        named = dict(zip(names, listed, strict=True))
    return {name: _array(name, value, what) for name, value in named.items()}


def _is_several(values: Any, names: tuple[str, ...]) -> bool:
    """A list of arrays; a list of numbers for the only name is one array itself."""
    if not isinstance(values, list | tuple):
        return False
    return len(names) > 1 or (len(values) == 1 and hasattr(values[0], "ndim"))


def _array(name: str, value: Any, what: str) -> Array:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"{what} {name!r} is no array with rows: {error}") from error
    if array.dtype == object and array.ndim == 0:
        raise InvalidRequestError(
            f"{what} {name!r} is a {type(value).__name__}: arrays with rows or a tf.data.Dataset are expected"
        )
    return array


def _shaped(array: Array, spec: TensorSpec | None) -> Array:
    """A vector (rows,) as the column (rows, 1) that the model takes, as Keras does."""
    if spec is not None and spec.shape is not None and spec.shape[-1:] == (1,) and array.ndim == len(spec.shape) - 1:
        return np.expand_dims(array, -1)
    return array


def _spread(array: Array) -> Array:
    """At most MOST_ROWS, evenly spaced: files are often sorted by class."""
    if array.ndim == 0 or len(array) <= MOST_ROWS:
        return array
    return np.asarray(array[np.linspace(0, len(array) - 1, MOST_ROWS).astype(int)])
