"""From scores to answers: each row by its own numbers alone."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.heads.decisions.abstention import Abstain
from headwise.heads.decisions.options import Applied
from headwise.heads.decisions.ranking import largest
from headwise.heads.links import Float64, logit
from headwise.heads.scores import Scores, Space
from headwise.heads.spec import Task

_MOST_TERMS = 2**20
"""How many products of probability and cost are held at once: 8 MB."""


def decide(scores: Scores, applied: Applied, task: Task) -> dict[str, NDArray[Any]]:
    """The fields of `Prediction`, one row each, that these scores and the applied decision have."""
    if task == "regression":
        return {"values": scores.evidence}
    answer: dict[str, NDArray[Any]] = {}
    probabilities = scores.probabilities
    if probabilities is not None:
        answer["probabilities"] = probabilities
    if scores.interval is not None:
        answer["intervals"] = scores.interval
    if scores.space is Space.MARGIN:
        answer["margins"] = scores.evidence[:, 0]
    if probabilities is not None and applied.top_k is not None:
        answer["top"] = ranked(scores, probabilities, applied.top_k)
    if task == "multilabel":
        assert applied.cuts is not None
        answer["decisions"] = above(scores, applied.cuts)
    else:
        answer["indices"] = _answered(scores, applied, answer.get("top"))
    if probabilities is None:
        return answer
    if applied.prediction_set is not None and applied.coverage is not None:
        answer["sets"] = applied.prediction_set.contains(probabilities, applied.coverage)
    if applied.abstain is not None:
        answer["abstained"] = _unanswered(applied.abstain, applied, probabilities, answer.get("sets"))
        answer["indices"] = np.where(answer["abstained"], -1, answer["indices"])
    return answer


def above(scores: Scores, cuts: tuple[float, ...]) -> NDArray[np.bool_]:
    """p >= cut for each column of the evidence (rows, k), compared as logits where the evidence is one."""
    reached: NDArray[np.bool_] = scores.evidence >= _edges(cuts, scores.space)
    return reached


@lru_cache(maxsize=256)
def _edges(cuts: tuple[float, ...], space: Space) -> Float64:
    """Where the evidence is cut: a card's cuts are the same for every request."""
    edges = np.asarray(cuts, dtype=np.float64)
    edges = logit(edges) if space is Space.LOGIT else edges
    edges.flags.writeable = False
    return edges


def ranked(scores: Scores, probabilities: Float64, count: int) -> NDArray[np.int64]:
    """Indices (rows, min(count, classes)) of the most probable classes; ties go to the lowest index.

    The evidence ranks where it has a column a class, as argmax does: probabilities that rounded to a tie do not.
    """
    by = scores.evidence if scores.evidence.shape == probabilities.shape else probabilities
    return largest(by, count)


def expected_costs(probabilities: Float64, costs: Float64) -> Float64:
    """The expected cost (rows, classes) of each answer; costs (true classes, answers).

    Not a matrix product, whose sums may depend on how many rows it is given.
    """
    expected = np.empty_like(probabilities)
    block = max(1, _MOST_TERMS // costs.size)
    for start in range(0, len(probabilities), block):
        terms = probabilities[start : start + block, :, np.newaxis] * costs
        terms.sum(axis=1, out=expected[start : start + block])
    return expected


def _answered(scores: Scores, applied: Applied, top: NDArray[np.int64] | None) -> NDArray[np.int64]:
    answered: NDArray[np.int64]
    if applied.cuts is not None:
        answered = above(scores, applied.cuts).sum(axis=1)
    elif applied.cost is not None:
        assert scores.probabilities is not None
        answered = expected_costs(scores.probabilities, applied.cost.matrix).argmin(axis=1)
    elif top is not None:
        answered = top[:, 0].copy()  # the evidence of a class each has ranked them
    else:
        answered = scores.evidence.argmax(axis=1)
    return answered


def _unanswered(
    abstain: Abstain, applied: Applied, probabilities: Float64, sets: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Which rows (rows,) are not answered."""
    away = np.zeros(len(probabilities), np.bool_)
    if abstain.floor is not None:
        away |= probabilities.max(axis=1) < abstain.floor
    if abstain.margin is not None:
        second, largest = np.partition(probabilities, -2, axis=1)[:, -2:].T
        away |= largest - second < abstain.margin
    if abstain.cost is not None and applied.cost is not None:
        away |= expected_costs(probabilities, applied.cost.matrix).min(axis=1) > abstain.cost
    if abstain.set and sets is not None:
        away |= sets.sum(axis=1) != 1
    return away
