"""(e) What a request to one model costs while few or many models are loaded."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from serving.load import closed
from serving.sides import HEADWISE, Side
from serving.stage import Flags, Running, Stage, turn
from serving.subjects import Subject
from serving.turns import Cell, Record, Scale, Turn

COUNTS = (1, 10, 100, 1000)
SETTLING = 1.0
"""Seconds in which a gateway that was frozen looks at its models again, before it is measured."""


def many_models(scratch: Path, subject: Subject, ours: Sequence[Side], scale: Scale, flags: Flags) -> Iterator[Cell]:
    """A repository, a model server and a gateway for each count, all up at once and frozen but for their turn."""
    with ExitStack() as open_:
        turns = []
        for count in COUNTS:
            copies = [Subject(f"{subject.name}_{at}", subject.version, subject.rows) for at in range(count)]
            stage = open_.enter_context(Stage(scratch / f"models-{count}", copies, ours, flags))
            asked = copies[count // 2]
            turns += [_turn(stage, running, asked, count, scale) for running in stage.sides(asked, (HEADWISE,))]
            if why := "; ".join(stage.missing.values()):
                turns.append(Turn({"experiment": "models", "models": count, "side": HEADWISE}, lambda: {"failed": why}))
            stage.model_server.freeze()
        yield Cell(f"{COUNTS[0]} to {COUNTS[-1]:,} models", turns)


def _turn(stage: Stage, running: Running, asked: Subject, count: int, scale: Scale) -> Turn:
    key = {"experiment": "models", "models": count, "connections": 64}
    body = running.side.body(asked, asked.batch(1))

    def run(seconds: int = 2 * scale.seconds) -> Record:
        stage.model_server.thaw()
        try:
            with turn(running):
                time.sleep(SETTLING)
                return running.measured(lambda url: closed(url, body, 64, seconds))
        finally:
            stage.model_server.freeze()

    return Turn({**key, "side": running.side.name, "workers": running.side.workers}, run, lambda: run(1))
