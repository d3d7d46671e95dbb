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

from headwise.heads import CALIBRATORS, HEAD_TABLE, Activation, Head, Layout, Legal, Prior, Task
from headwise.heads.calibrators import (
    AnyCalibrator,
    Beta,
    Binary,
    EachLabel,
    Identity,
    Isotonic,
    Platt,
    Temperature,
    TemperatureMixture,
    Vector,
    VennAbers,
)

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


def _task(layout: Layout) -> Task:
    return layout.value.split()[0].rstrip(",")  # type: ignore[return-value]


def build(layout: Layout, activation: Activation, units: int, **rest: Any) -> Head:
    """The head of a cell with this many units; labels are named by their index."""
    task = _task(layout)
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


_TEMPERATURES = st.floats(0.05, 20)
_SLOPES = st.floats(0.01, 50)
_SHIFTS = st.floats(-20, 20)
_SHARES = st.floats(1e-6, 1 - 1e-6)


@st.composite
def _isotonic(draw: st.DrawFn) -> Isotonic:
    cuts = draw(st.lists(st.floats(-30, 30), unique=True, max_size=5))
    levels = draw(st.lists(_SHARES, min_size=len(cuts) + 1, max_size=len(cuts) + 1))
    return Isotonic(tuple(sorted(cuts)), tuple(sorted(levels)))


@st.composite
def _venn_abers(draw: st.DrawFn) -> VennAbers:
    logits = draw(st.lists(st.floats(-30, 30), unique=True, max_size=4))
    cells = 2 * len(logits) + 1
    one, other = (sorted(draw(st.lists(_SHARES, min_size=cells, max_size=cells))) for _ in range(2))
    return VennAbers(tuple(sorted(logits)), tuple(map(min, one, other)), tuple(map(max, one, other)))


def _betas() -> st.SearchStrategy[Beta]:
    bends = st.one_of(st.just(0.0), _SLOPES)
    return st.tuples(bends, bends).filter(any).flatmap(lambda ab: st.builds(Beta, *map(st.just, ab), _SHIFTS))


def _vectors(classes: int) -> st.SearchStrategy[Vector]:
    columns = (st.tuples(*[each] * classes) for each in (_SLOPES, _SHIFTS))
    return st.builds(Vector, *columns)


def _each_label(classes: int) -> st.SearchStrategy[EachLabel]:
    alone = st.one_of(*(STRATEGIES[name](1) for name, kind in CALIBRATORS.items() if issubclass(kind, Binary)))
    return st.builds(EachLabel, st.tuples(*[alone] * classes))


STRATEGIES: Mapping[str, Callable[[int], st.SearchStrategy[AnyCalibrator]]] = {
    "identity": lambda _: st.just(Identity()),
    "temperature": lambda _: st.builds(Temperature, _TEMPERATURES),
    "temperature_mixture": lambda _: st.builds(TemperatureMixture, _TEMPERATURES, st.floats(0, 0.999)),
    "vector": _vectors,
    "platt": lambda _: st.builds(Platt, _SLOPES, _SHIFTS),
    "beta": lambda _: _betas(),
    "isotonic": lambda _: _isotonic(),
    "venn_abers": lambda _: _venn_abers(),
    "per_label": _each_label,
}
"""Every registered calibrator with fitted-looking parameters for a number of classes (or labels)."""


def calibrators(layout: Layout, units: int) -> st.SearchStrategy[AnyCalibrator]:
    """Any calibrator that the layout takes with this many units; for regression there is none."""
    cell = HEAD_TABLE[layout]["linear"]
    assert isinstance(cell, Legal)
    fitting = (name for name, kind in CALIBRATORS.items() if cell.form in kind.FORMS)
    return st.one_of(*(STRATEGIES[name](units) for name in fitting))


def priors(layout: Layout, classes: int) -> st.SearchStrategy[Prior]:
    """Two priors of this many classes or labels."""

    def shares(values: list[float]) -> tuple[float, ...]:
        total = 1.0 if layout is Layout.MULTILABEL else sum(values)
        return tuple(value / total for value in values)

    each = st.lists(st.floats(0.01, 0.99), min_size=classes, max_size=classes).map(shares)
    return st.builds(Prior, each, each)


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
    plain = calibrated is False or layout is Layout.REGRESSION or (not calibrated and draw(st.booleans()))
    calibration = None if plain else draw(calibrators(layout, units))
    classes = _LABELS[_task(layout)](units)
    corrected = calibration is not None and not isinstance(calibration, Identity) and draw(st.booleans())
    prior = draw(priors(layout, classes)) if corrected else None
    batch = draw(st.integers(1, 9))
    shape = (batch, draw(st.integers(1, 3)), units) if positions else (batch, units)
    logits = st.one_of(st.floats(-EXTREME, EXTREME), st.floats(-30, 30), st.sampled_from([0.0, EXTREME, -EXTREME]))
    output = ACTIVATE[activation](draw(arrays(np.float64, shape, elements=logits))).astype(
        draw(st.sampled_from(dtypes))
    )
    return Case(layout, build(layout, activation, units, calibration=calibration, prior=prior), output)
