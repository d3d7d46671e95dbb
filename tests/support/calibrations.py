"""A calibration of every kind of head, of few rows, made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from headwise.calibration.calibrate import Calibrated, calibrate
from headwise.heads import Abstain, Argmax, Cost, Head, Prior, Threshold

Array = NDArray[Any]

ROWS = 200
ODD = (
    "<script>alert('x')</script>",
    "cost $5 & $6_^{x}",
    "_under_score",
    "中文标签",
    "a label that goes on and on beyond what any axis can carry",
    "مرحبا",
    "tab\tnew\nline\x07",
)
COSTS = ((0.0, 1.0, 2.0), (4.0, 0.0, 1.0), (9.0, 3.0, 0.0))


def letters(count: int) -> tuple[str, ...]:
    """As many labels."""
    return tuple(f"class {index}" for index in range(count))


def _yes_or_no(rows: int) -> tuple[Array, Array]:
    """Logits (rows,) that are three times too sure, and what was true."""
    random = np.random.default_rng(0)
    z = random.normal(size=rows) * 1.5
    return 3 * z, random.random(rows) < expit(z)


def _one_of(rows: int, classes: int) -> tuple[Array, Array]:
    random = np.random.default_rng(1)
    z = random.normal(size=(rows, classes)) * 1.5
    drawn = random.random((rows, 1)) > softmax(z, axis=1).cumsum(axis=1)
    return 2 * z, np.minimum(drawn.sum(axis=1), classes - 1)


def _some_of(rows: int, labels: int) -> tuple[Array, Array]:
    random = np.random.default_rng(2)
    z = random.normal(size=(rows, labels)) * 2 - np.linspace(0, 2, labels)
    return 2 * z, random.random(z.shape) < expit(z)


def _steps(rows: int) -> tuple[Array, Array]:
    random = np.random.default_rng(3)
    z = random.normal(size=(rows, 1)) * 2 + np.array([[2.0, 0.0, -2.0]])
    return 2 * z, (random.random((rows, 1)) < expit(z)).sum(axis=1)


def _binary(**rest: Any) -> Head:
    return Head("binary", "linear", ("no", "yes"), **rest)


def _made(
    raw: tuple[Array, Array], head: Head, objective: str | None = None, method: str = "temperature"
) -> Calibrated:
    return calibrate(*raw, head, objective=objective, method=method, intervals=False)


KINDS: Mapping[str, Callable[[], Calibrated]] = {
    "binary": lambda: _made(_yes_or_no(ROWS), _binary(decision=Threshold(0.5, {"screening": 0.1})), "f1", "platt"),
    "binary cost": lambda: _made(_yes_or_no(ROWS), _binary(), "cost:1:4;abstain:0.4"),
    "tiny": lambda: calibrate(_yes_or_no(12)[0] / 3, _yes_or_no(12)[1], _binary()),
    "margin": lambda: _made(
        (np.tanh(_yes_or_no(ROWS)[0] / 6), _yes_or_no(ROWS)[1]), replace(_binary(), activation="tanh"), None, "identity"
    ),
    "prior": lambda: _made(_yes_or_no(ROWS), _binary(prior=Prior((0.5, 0.5), (0.9, 0.1)))),
    "multiclass": lambda: _made(_one_of(ROWS, 3), Head("multiclass", "linear", letters(3))),
    "multiclass abstaining": lambda: _made(
        _one_of(ROWS, 3), Head("multiclass", "linear", letters(3), decision=Argmax(abstain=Abstain(0.6, 0.3)))
    ),
    "multiclass cost": lambda: _made(
        _one_of(ROWS, 3), Head("multiclass", "linear", letters(3), decision=Cost(COSTS, abstain=Abstain(cost=0.9)))
    ),
    "thirty classes": lambda: _made(
        _one_of(400, 30), Head("multiclass", "linear", letters(30)), "coverage>=0.8;accuracy>=0.5"
    ),
    "odd labels": lambda: _made(_one_of(ROWS, len(ODD)), Head("multiclass", "linear", ODD), "coverage>=0.8:lac:class"),
    "multilabel": lambda: _made(_some_of(ROWS, 4), Head("multilabel", "linear", letters(4)), "f1"),
    "sixty labels": lambda: _made(_some_of(60, 60), Head("multilabel", "linear", letters(60)), "cost:1:4"),
    "ordinal": lambda: _made(_steps(ROWS), Head("ordinal", "linear", letters(4)), "coverage>=0.8:aps"),
}


@cache
def calibration(kind: str) -> Calibrated:
    """One of KINDS."""
    return KINDS[kind]()
