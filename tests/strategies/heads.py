"""Every legal head of HEAD_TABLE with a calibrator or none, and outputs that a network with that head could give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import special

from headwise.heads import HEAD_TABLE, Activation, Calibrator, Head, Layout, Legal, Platt, Task, Temperature

EXTREME = 1e4
DTYPES = ("float16", "float32", "float64")

LEGAL = [
    (layout, activation)
    for layout, row in HEAD_TABLE.items()
    for activation in row
    if isinstance(row[activation], Legal)
]

_UNITS: Mapping[Layout, st.SearchStrategy[int]] = {
    Layout.BINARY_ONE_UNIT: st.just(1),
    Layout.BINARY_TWO_UNITS: st.just(2),
    Layout.MULTICLASS: st.integers(2, 5),
    Layout.MULTILABEL: st.integers(1, 5),
    Layout.ORDINAL_CUMULATIVE: st.integers(1, 4),
    Layout.ORDINAL_CONDITIONAL: st.integers(1, 4),
    Layout.REGRESSION: st.integers(1, 3),
}
_LABELS: Mapping[Task, Callable[[int], int]] = {
    "binary": lambda _: 2,
    "multiclass": lambda units: units,
    "multilabel": lambda units: units,
    "ordinal": lambda units: units + 1,
    "regression": lambda _: 0,
}
ACTIVATE: Mapping[Activation, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "linear": lambda z: z,
    "sigmoid": special.expit,
    "softmax": lambda z: special.softmax(z, axis=-1),
    "log_softmax": lambda z: special.log_softmax(z, axis=-1),
    "tanh": np.tanh,
}


def build(layout: Layout, activation: Activation, units: int, **rest: Any) -> Head:
    """The head of a cell with this many units; labels are named by their index."""
    task: Task = layout.value.split()[0].rstrip(",")  # type: ignore[assignment]
    labels = tuple(f"class {index}" for index in range(_LABELS[task](units)))
    if layout is Layout.ORDINAL_CONDITIONAL:
        rest["encoding"] = "conditional"
    if task == "regression" and activation != "linear":
        rest["range"] = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}[activation]
    return Head(task, activation, labels, **rest)


@dataclass(frozen=True)
class Case:
    """A head and an output (batch, *positions, units) of its network."""

    layout: Layout
    head: Head
    output: NDArray[Any]


def calibrators(layout: Layout) -> st.SearchStrategy[Calibrator | None]:
    """None, or any calibrator that the layout takes."""
    choices: list[st.SearchStrategy[Any]] = [st.none()]
    if layout is not Layout.REGRESSION:
        choices.append(st.builds(Temperature, st.floats(0.05, 20)))
    if layout in (Layout.BINARY_ONE_UNIT, Layout.BINARY_TWO_UNITS):
        choices.append(st.builds(Platt, st.floats(0.01, 50), st.floats(-20, 20)))
    return st.one_of(choices)


@st.composite
def cases(
    draw: st.DrawFn,
    cells: Sequence[tuple[Layout, Activation]] = LEGAL,
    calibrated: bool | None = None,
    dtypes: tuple[str, ...] = DTYPES,
    positions: bool = False,
) -> Case:
    """calibrated: True and False force it where the head allows it. positions: the output has a middle axis."""
    layout, activation = draw(st.sampled_from(cells))
    units = draw(_UNITS[layout])
    calibration = None if calibrated is False else draw(calibrators(layout).filter(lambda c: not calibrated or c))
    batch = draw(st.integers(1, 9))
    shape = (batch, draw(st.integers(1, 3)), units) if positions else (batch, units)
    logits = st.one_of(st.floats(-EXTREME, EXTREME), st.floats(-30, 30), st.sampled_from([0.0, EXTREME, -EXTREME]))
    output = ACTIVATE[activation](draw(arrays(np.float64, shape, elements=logits))).astype(
        draw(st.sampled_from(dtypes))
    )
    return Case(layout, build(layout, activation, units, calibration=calibration), output)
