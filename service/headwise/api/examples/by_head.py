"""What the head of a model has to say where TensorFlow Serving answers Classify and Regress."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from numpy.typing import NDArray

from headwise.api.examples.examples import INSTEAD
from headwise.errors import InvalidRequestError
from headwise.gateway import Classification, HeadAnswer
from headwise.heads.links import Float64


def scores(found: Classification) -> tuple[Sequence[str], Float64]:
    """Labels (classes,) in their order, and the probability of each (batch, classes).

    Raises: InvalidRequestError where a classification has no room for the answer.
    """
    answer = _only_head(found)
    if answer.head.task == "regression":
        raise InvalidRequestError(f"{found.model} is a regression, which has no classes: call Regress")
    return answer.head.labels, _rows(found, answer.prediction.probabilities)


def values(found: Classification) -> Float64:
    """The value of a regression, or the probability of the positive class: (batch,).

    Raises: InvalidRequestError where the answer is not one number a row.
    """
    answer = _only_head(found)
    columns = {"regression": answer.prediction.values, "binary": answer.prediction.probabilities}
    task = answer.head.task
    if task not in columns:
        raise InvalidRequestError(f"{found.model} is {task}, which is not one number: call Classify")
    rows = _rows(found, columns[task])
    if task == "regression" and rows.shape[1] != 1:
        raise InvalidRequestError(f"{found.model} has {rows.shape[1]} values a row, Regress carries one: {INSTEAD}")
    column: Float64 = rows[:, -1]
    return column


def _only_head(found: Classification) -> HeadAnswer:
    if len(found.heads) != 1:
        names = ", ".join(map(repr, found.heads)) or "none"
        raise InvalidRequestError(f"the heads of {found.model} are {names}; this answer carries exactly one: {INSTEAD}")
    (answer,) = found.heads.values()
    return answer


def _rows(found: Classification, numbers: NDArray[Any] | None) -> Float64:
    """What TFS's answers have room for: (batch, numbers)."""
    model = found.model
    if numbers is None:
        raise InvalidRequestError(f"{model} answers a margin, which is no probability without a calibrator: {INSTEAD}")
    if numbers.ndim != 2:
        raise InvalidRequestError(f"{model} answers for each of {prod(numbers.shape[1:-1])} positions: {INSTEAD}")
    return numbers
