"""Who is measured next: every side once a round, each round from another one on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving import direct
from serving.load import LoadError, closed
from serving.processes import ServerError
from serving.sides import DIRECT
from serving.stage import Running, Stage, figures
from serving.subjects import Array, Body, Subject

Record = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """How much is measured. seconds: of one run. rounds: runs of each cell and side."""

    seconds: int
    rounds: int
    connections: tuple[int, ...]


@dataclass(frozen=True)
class Turn:
    """One side's part of a cell. key: what tells its records from others'. run: measures once."""

    key: Mapping[str, Any]
    run: Callable[[], Record]
    warm: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Cell:
    """Turns that are compared with each other."""

    title: str
    turns: Sequence[Turn]

    def records(self, rounds: int) -> list[Record]:
        """Of all rounds, after a warm-up."""
        for one in self.turns:
            _tried(lambda one=one: {"warmed": one.warm()})  # type: ignore[misc]  # bound at once
        records: list[Record] = []
        for number in range(rounds):
            at = number % len(self.turns)
            ordered = (*self.turns[at:], *self.turns[:at])
            records += [{**one.key, "round": number, **_tried(one.run)} for one in ordered]
        return records


def http_turn(running: Running, body: Body, connections: int, seconds: int, key: Mapping[str, Any]) -> Turn:
    """A side in a closed loop."""

    def run(for_: int = seconds) -> Record:
        return running.measure(lambda url: closed(url, body, connections, for_))

    return Turn({**key, "side": running.side.name, "workers": running.side.workers}, run, lambda: run(1))


def direct_turn(
    stage: Stage, subject: Subject, batch: Array, connections: int, seconds: float, key: Mapping[str, Any]
) -> Turn:
    """Calls straight to the model server; the CPU time is the model server's alone."""

    def run() -> Record:
        before = stage.model_server.cpu_seconds()
        load = direct.closed(stage.backend, subject, batch, connections, seconds)
        return figures(load, stage.model_server.cpu_seconds() - before)

    return Turn({**key, "side": DIRECT, "workers": "-"}, run, run)


def _tried(run: Callable[[], Record]) -> Record:
    try:
        return run()
    except (LoadError, ServerError) as error:
        return {"failed": str(error)}
