"""Holds a request's arrays against the signature before any call: names, dtypes, shapes, finite numbers.

A wrong rank can abort a whole model server, so this protects the backend as well as the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.backends.base import Arrays
from headwise.errors import InvalidTensorError
from headwise.heads.contract import keeps_to_its_range
from headwise.savedmodel.signature import NUMPY_DTYPES, Signature, TensorSpec
from headwise.savedmodel.tensors import MOST_PLACES, is_vast


def check_inputs(arrays: Arrays, signature: Signature) -> int:
    """Check arrays (batch, ...) by input name; returns batch, the number of rows.

    Raises: InvalidTensorError naming the input, what was expected and what came.
    """
    check_names(arrays, signature)
    for name, array in arrays.items():
        _check_tensor(name, array, signature.inputs[name])
    return _batch(arrays)


def check_names(names: Mapping[str, object], signature: Signature) -> None:
    """Check that each input is there once, and no other.

    Raises: InvalidTensorError.
    """
    if names.keys() == signature.inputs.keys():
        return
    wanted = ", ".join(map(repr, signature.inputs))
    if unknown := sorted(set(names) - set(signature.inputs)):
        raise InvalidTensorError(f"unknown input {', '.join(map(repr, unknown))}; the model's inputs are {wanted}")
    if missing := sorted(set(signature.inputs) - set(names) - signature.defaults):
        raise InvalidTensorError(f"missing input {', '.join(map(repr, missing))}; the model's inputs are {wanted}")


def _check_tensor(name: str, array: NDArray[Any], spec: TensorSpec) -> None:
    wanted = NUMPY_DTYPES.get(spec.dtype)
    if wanted != array.dtype or spec.dtype == "bfloat16":
        raise InvalidTensorError(f"input {name!r} is {_dtype(array)}: the model takes {spec}")
    if spec.shape is not None and not _fits(array.shape, spec.shape):
        got = TensorSpec(_dtype(array), array.shape)
        raise InvalidTensorError(f"input {name!r} is {got}: the model takes {spec}")
    if not all_finite(array):
        at = np.argwhere(~np.isfinite(array))[0].tolist()
        raise InvalidTensorError(f"input {name!r} holds {array[tuple(at)]} at {at}: numbers must be finite")


def all_finite(array: NDArray[Any]) -> bool:
    """Whether an array holds no NaN and no infinity."""
    kind = array.dtype.kind
    if kind == "f" and array.flags.c_contiguous:
        return keeps_to_its_range(array, "linear")
    return kind not in "fc" or bool(np.isfinite(array).all())


def _batch(arrays: Arrays) -> int:
    if len(arrays) == 1 and (only := next(iter(arrays.values()))).ndim and only.size:
        return int(only.shape[0])
    sizes: dict[str, int] = {name: array.shape[0] for name, array in arrays.items() if array.ndim}
    if not sizes:
        raise InvalidTensorError("no input has rows: a head answers row by row")
    if empty := [name for name, size in sizes.items() if size == 0]:
        raise InvalidTensorError(f"input {empty[0]!r} has no rows: send at least one")
    if vast := [name for name, array in arrays.items() if is_vast(array.shape)]:
        raise InvalidTensorError(
            f"input {vast[0]!r} is empty, yet its shape {arrays[vast[0]].shape} has more than {MOST_PLACES} "
            "rows and positions"
        )
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name!r} has {size}" for name, size in sizes.items())
        raise InvalidTensorError(f"the inputs differ in their number of rows: {listed}")
    return next(iter(sizes.values()))


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    if shape[1:] == wanted[1:] and len(shape) == len(wanted) and wanted[:1] == (None,):
        return True
    return len(shape) == len(wanted) and all(w is None or w == s for s, w in zip(shape, wanted, strict=True))


def _dtype(array: NDArray[Any]) -> str:
    return "string" if array.dtype == object else array.dtype.name
