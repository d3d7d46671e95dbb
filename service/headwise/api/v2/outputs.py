"""What a head answers, as named tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.heads import Activation, Head, Prediction
from headwise.savedmodel import TensorSpec

Array = NDArray[Any]


def _labels(prediction: Prediction) -> Array | None:
    """The answered label, or those that are on; empty where there is none."""
    classes = np.empty(len(prediction.classes) + 1, object)
    classes[:] = [label.encode() for label in (*prediction.classes, "")]
    if prediction.indices is not None:
        return classes[prediction.indices]
    if prediction.decisions is not None:
        return classes[np.where(prediction.decisions, np.arange(len(prediction.classes)), -1)]
    return None


OUTPUTS: Mapping[str, Callable[[Prediction], Array | None]] = {
    "probabilities": lambda prediction: prediction.probabilities,
    "indices": lambda prediction: prediction.indices,
    "decisions": lambda prediction: prediction.decisions,
    "labels": _labels,
    "value": lambda prediction: prediction.values,
    "margins": lambda prediction: prediction.margins,
    "abstained": lambda prediction: prediction.abstained,
    "sets": lambda prediction: prediction.sets,
    "top_indices": lambda prediction: prediction.top,
    "intervals": lambda prediction: prediction.intervals,
}
"""By name; None where the prediction has none."""


def of_head(prediction: Prediction) -> dict[str, Array]:
    """The tensors of one head, (batch, *positions, ...)."""
    found = {name: of(prediction) for name, of in OUTPUTS.items()}
    return {name: array for name, array in found.items() if array is not None}


def of_heads(predictions: Mapping[str, Prediction]) -> dict[str, Array]:
    """The tensors of all heads; behind `HEAD.` where there are several."""
    return {
        prefixed(head, name, several=len(predictions) > 1): array
        for head, prediction in predictions.items()
        for name, array in of_head(prediction).items()
    }


def prefixed(head: str, name: str, *, several: bool) -> str:
    """The name of a head's output."""
    return f"{head}.{name}" if several else name


RAW = "raw."
"""Before the name of a model's own output that would be read as a head's."""


def own_name(name: str) -> str | None:
    """The model's own output that a name means; None where it means a head's."""
    if name.startswith(RAW):
        return name.removeprefix(RAW)
    return None if name.rpartition(".")[2] in OUTPUTS else name


def raw_name(output: str) -> str:
    """The name that means a model's own output."""
    return output if own_name(output) == output else f"{RAW}{output}"


def shapes(head: Head, raw: TensorSpec) -> dict[str, TensorSpec]:
    """The tensors that a head has without options, as an answer to one row shows them.

    raw: the model's output. Its free axes are free in these as well.
    """
    sizes = raw.shape or (None,)
    probe = np.full([1 if size is None else size for size in sizes], 0.0, raw.dtype)
    probe += _SOMETHING[head.activation](probe.shape[-1] if probe.ndim > 1 else 1)
    free = sizes if probe.ndim == 1 else sizes[:-1]
    return {
        name: TensorSpec("string" if array.dtype == object else array.dtype.name, (*free, *array.shape[len(free) :]))
        for name, array in of_head(head.predict(probe)).items()
    }


_SOMETHING: Mapping[Activation, Callable[[int], float]] = {
    "linear": lambda _: 0.0,
    "tanh": lambda _: 0.0,
    "sigmoid": lambda _: 0.5,
    "softmax": lambda units: 1.0 / units,
    "log_softmax": lambda units: -math.log(units),
}
"""A number that every unit may have, by activation and number of units."""


def ranked(prediction: Prediction, k: int) -> Array:
    """As Triton's classification extension: (batch, *positions, k) of `PROBABILITY:INDEX:LABEL`, best first."""
    probabilities = prediction.probabilities
    assert probabilities is not None
    k = min(k, probabilities.shape[-1])
    best = np.argsort(-probabilities, axis=-1, kind="stable")[..., :k]
    values = np.take_along_axis(probabilities, best, axis=-1)
    texts = np.empty(best.shape, object)
    for at, (index, value) in enumerate(zip(best.ravel().tolist(), values.ravel().tolist(), strict=True)):
        texts.ravel()[at] = f"{value!r}:{index}:{prediction.classes[index]}".encode()
    return texts
