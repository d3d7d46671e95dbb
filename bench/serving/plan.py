"""The order of a whole run, and how long it takes, about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from serving import experiments
from serving.alone import ACTIVATIONS, HEAD_ROWS
from serving.contention import fairness, stall
from serving.made_models import CLASSES
from serving.many_models import COUNTS, many_models
from serving.sides import Side
from serving.stage import Stage
from serving.turns import Cell, Scale

STARTS = 12.0
"""Seconds in which a side of its own environment starts."""
BETWEEN = 0.6
"""Seconds between two runs: the generator's process, thawing, looking at clocks."""


@dataclass(frozen=True)
class Part:
    """One experiment. cells: in which it goes. turns: how many runs a round, by the number of sides; others: seconds
    beside them.
    """

    name: str
    cells: Callable[[], Iterator[Cell]]
    turns: int
    seconds: float
    others: float = 0.0

    def estimate(self, rounds: int) -> float:
        """Seconds."""
        return self.turns * (rounds * (self.seconds + BETWEEN) + 1.5) + self.others


def parts(stage: Stage, scratch: Path, sides: Sequence[Side], scale: Scale, subjects: Sequence[str]) -> list[Part]:
    """Everything, in its order: what serves one model at a time is started as seldom as can be."""
    many, peers = len(sides) + 1, sum(not side.serves_all for side in sides)
    start, seconds = peers * STARTS, float(scale.seconds)
    heads = [f"classes_{classes}" for classes in CLASSES]
    first, *rest = subjects
    loop = many * len(scale.connections)
    whole = [
        Part("closed", lambda: experiments.closed_loop(stage, scale, [first]), loop, seconds, start),
        Part("open", lambda: experiments.open_loop(stage, scale, first), 4 * len(sides), seconds),
        Part("closed", lambda: experiments.closed_loop(stage, scale, rest), len(rest) * loop, seconds, start),
        Part(
            "sizes",
            lambda: experiments.body_sizes(stage, scale, [first, "pixels", "image"]),
            27 + peers,
            1.4 * seconds,
            start,
        ),
        Part("heads", lambda: experiments.head_widths(stage, scale, heads), 3 * len(heads), seconds),
        Part(
            "head alone",
            lambda: experiments.head_maths(stage, scale),
            len(CLASSES) * len(ACTIVATIONS) * len(HEAD_ROWS),
            seconds / 4,
        ),
        Part(
            "batches", lambda: experiments.batch_growth(stage, scale, first), 5 * len(experiments.BATCHES), seconds / 2
        ),
        Part("fairness", lambda: fairness(stage, scale, rest[0] if rest else first, first), 4, 2 * seconds + 2),
        Part("stall", lambda: stall(stage, scale, first, "image"), 4, 2 * seconds + 2),
        Part(
            "models",
            lambda: many_models(scratch, stage.subjects[first], sides, scale, stage.flags),
            len(COUNTS),
            2 * seconds,
            90,
        ),
    ]
    return [part for part in whole if part.turns]
