"""What Keras's layers do to the numbers and to the last axis, the head's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from headwise.savedmodel.keras.serialised import integer, items, text
from headwise.savedmodel.signature import Shape

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """What is known of a tensor. last: the size of its last axis. whole: rows arrive as the activation made them."""

    shape: Shape | None
    last: int | None
    whole: bool = True

    @classmethod
    def of(cls, shape: Shape | None, *, whole: bool = True) -> Rows:
        """Rows of a shape."""
        return cls(shape, shape[-1] if shape else None, whole)


Move = Callable[[Config, Rows], Rows]


def _same(_config: Config, rows: Rows) -> Rows:
    return rows


def _moved(rows: Rows, shape: Shape | None) -> Rows:
    """Numbers in their order in another shape: rows of the same length are the same rows."""
    kept = shape is not None and shape != () and rows.last is not None and shape[-1] == rows.last
    return Rows.of(shape, whole=rows.whole and kept)


def _reshaped(key: str, batch: int) -> Move:
    """A reshape whose `key` names the sizes, `batch` of the axes before them left out."""

    def move(config: Config, rows: Rows) -> Rows:
        sizes = [integer(size) for size in items(config.get(key))]
        named = tuple(None if size is None or size < 0 else size for size in sizes)
        shape: Shape = (*(None,) * batch, *named)
        open_axis = shape[-1] is None if shape else False
        if open_axis and batch and len(named) == 1:
            return _flattened(config, rows)
        return _moved(rows, shape or None)

    return move


def _flattened(_config: Config, rows: Rows) -> Rows:
    if rows.shape is None or len(rows.shape) < 2:
        return Rows(None, None, whole=False)
    sizes = [size for size in rows.shape[1:] if size is not None]
    product = math.prod(sizes) if len(sizes) == len(rows.shape) - 1 else None
    if rows.shape[1:-1] == ():
        product = rows.last
        return replace(rows, shape=(rows.shape[0], product))
    return _moved(rows, (rows.shape[0], product))


def _permuted(config: Config, rows: Rows) -> Rows:
    order = [integer(axis) for axis in items(config.get("dims"))]
    return _ordered([0, *order], rows)


def _transposed(config: Config, rows: Rows) -> Rows:
    return _ordered([integer(axis) for axis in items(config.get("axes"))], rows)


def _ordered(order: Sequence[int | None], rows: Rows) -> Rows:
    fits = sorted(axis for axis in order if axis is not None) == list(range(len(order)))
    kept = fits and order[-1] == len(order) - 1
    if not fits or rows.shape is None or len(rows.shape) != len(order):
        return Rows(None, rows.last if kept else None, whole=rows.whole and kept)
    shape = tuple(rows.shape[axis] for axis in order if axis is not None)
    return Rows.of(shape, whole=rows.whole and kept)


def _repeated(config: Config, rows: Rows) -> Rows:
    shape = (rows.shape[0], integer(config.get("n")), rows.last) if rows.shape else None
    return replace(rows, shape=shape)


def _expanded(config: Config, rows: Rows) -> Rows:
    axis = integer(config.get("axis"))
    if axis is None or rows.shape is None or not 0 <= axis < len(rows.shape):
        return Rows(None, None, whole=False)
    return replace(rows, shape=(*rows.shape[:axis], 1, *rows.shape[axis:]))


def _squeezed(config: Config, rows: Rows) -> Rows:
    axis = integer(config.get("axis"))
    if axis is None or rows.shape is None or not -len(rows.shape) <= axis < len(rows.shape):
        return Rows(None, None, whole=False)
    axis %= len(rows.shape)
    return _moved(rows, (*rows.shape[:axis], *rows.shape[axis + 1 :]))


def _selected(_config: Config, _rows: Rows) -> Rows:
    return Rows(None, None, whole=False)


MOVES: Mapping[str, Move] = {
    **dict.fromkeys(
        (
            "ActivityRegularization",
            "AlphaDropout",
            "Dropout",
            "GaussianDropout",
            "GaussianNoise",
            "Identity",
            "SpatialDropout1D",
            "SpatialDropout2D",
            "SpatialDropout3D",
        ),
        _same,
    ),
    "Flatten": _flattened,
    "Permute": _permuted,
    "RepeatVector": _repeated,
    "Reshape": _reshaped("target_shape", batch=1),
}
"""Layers that pass numbers on as they are, at inference."""

OP_MOVES: Mapping[str, Move] = {
    "Cast": _same,
    "ExpandDims": _expanded,
    "GetItem": _selected,
    "Reshape": _reshaped("newshape", batch=0),
    "Squeeze": _squeezed,
    "StopGradient": _same,
    "Transpose": _transposed,
}
"""Classes of keras.ops that do so."""

JOINS = frozenset({"Concatenate"})

_UNITS: Mapping[str, str] = {
    "Dense": "units",
    **dict.fromkeys(
        (
            "Conv1D",
            "Conv2D",
            "Conv3D",
            "Conv1DTranspose",
            "Conv2DTranspose",
            "Conv3DTranspose",
            "SeparableConv1D",
            "SeparableConv2D",
        ),
        "filters",
    ),
}

WEIGHTED_SUMS = frozenset({*_UNITS, "DepthwiseConv1D", "DepthwiseConv2D", "EinsumDense"})
"""Layers with weights and an activation of their own."""


def made(name: str, config: Config, before: Shape | None) -> Rows:
    """What a weighted sum gives."""
    if name == "EinsumDense":
        sizes = config.get("output_shape")
        final = integer(items(sizes)[-1] if items(sizes) else sizes)
        return Rows(None, final)
    if text(config.get("data_format")) == "channels_first":
        return Rows(None, None)
    units = integer(config.get(_UNITS.get(name, "")))
    return Rows((*before[:-1], units) if name == "Dense" and before else None, units)
