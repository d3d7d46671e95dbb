"""How often an answer says each label: what a log may tell of it, without a number that was sent or computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.gateway.classification import Classification
from headwise.telemetry.answers import counts as counted
from headwise.telemetry.trail import Counts


def decided(answer: Classification) -> tuple[Counts, dict[str, int]]:
    """By head, the labels that were answered and how often, most frequent first; and the rows that were abstained from.

    A position counts as a row. Regression says no labels.
    """
    labels: dict[str, dict[str, int]] = {}
    abstained: dict[str, int] = {}
    start, stop = answer.start, answer.stop
    one = stop - start == 1
    for name, head in answer.batch.heads.items():
        prediction = head.prediction
        indices = prediction.indices
        if one and indices is not None and indices.ndim == 1:  # most requests
            index = indices.item(start)
            if index < 0:
                abstained[name] = 1
            else:
                labels[name] = {prediction.classes[index]: 1}
            continue
        decisions = prediction.decisions
        if one and decisions is not None and decisions.ndim == 2:
            if on := decisions[start].nonzero()[0].tolist():
                labels[name] = {prediction.classes[index]: 1 for index in on}
            continue
        counts = counted(
            None if indices is None else indices[start:stop], None if decisions is None else decisions[start:stop]
        )
        if counts is None:
            continue
        if counts[0]:
            abstained[name] = int(counts[0])
        if found := _by_label(counts[1:], prediction.classes):
            labels[name] = found
    return labels, abstained


def _by_label(counts: NDArray[Any], classes: tuple[str, ...]) -> dict[str, int]:
    found = counts.nonzero()[0]
    ordered = found[np.argsort(-counts[found], kind="stable")].tolist()
    return {classes[index]: int(counts[index]) for index in ordered}
