"""What is measured: one function an experiment, each of which yields its cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving import direct
from serving.load import Load, LoadError, closed
from serving.sides import DIRECT
from serving.stage import Running, Stage, figures, turn, warm
from serving.subjects import Array, Body, Subject

Record = dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """One side's part of a cell. key: what tells its records from others'. run: measures once."""

    key: Mapping[str, Any]
    run: Callable[[], Record]
    warm: Callable[[], object] = lambda: None


def alternate(turns: Sequence[Turn], rounds: int) -> list[Record]:
    """Each turn once a round, each round from another one on, after a warm-up."""
    for one in turns:
        one.warm()
    records = []
    for number in range(rounds):
        at = number % len(turns)
        records += [{**one.key, "round": number, **_tried(one)} for one in (*turns[at:], *turns[:at])]
    return records


def _tried(one: Turn) -> Record:
    try:
        return one.run()
    except LoadError as error:
        return {"failed": str(error)}


def http_turn(running: Running, body: Body, connections: int, seconds: float, key: Mapping[str, Any]) -> Turn:
    """A side in a closed loop."""

    def run() -> Record:
        with turn(running):
            return running.measure(lambda url: closed(url, body, connections, seconds))

    def first() -> None:
        with turn(running):
            warm(running, body, connections)

    return Turn({**key, "side": running.side.name, "workers": running.side.workers}, run, first)


def direct_turn(
    stage: Stage, subject: Subject, batch: Array, connections: int, seconds: float, key: Mapping[str, Any]
) -> Turn:
    """Calls straight to the model server; the CPU time is the model server's alone."""

    def run() -> Record:
        before = stage.model_server.cpu_seconds()
        load: Load = direct.closed(stage.backend, subject, batch, connections, seconds)
        return figures(load, stage.model_server.cpu_seconds() - before)

    return Turn({**key, "side": DIRECT, "workers": "-"}, run, lambda: run() and None)


@dataclass(frozen=True)
class Scale:
    """How much is measured. seconds: of one run. rounds: runs of each cell and side."""

    seconds: float
    rounds: int
    connections: tuple[int, ...]
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """Turns that are measured side by side."""

    title: str
    turns: Sequence[Turn]

    def records(self, rounds: int) -> list[Record]:
        return alternate(self.turns, rounds)


def closed_loop(stage: Stage, subject: Subject, sides: Sequence[Running], scale: Scale) -> Iterator[Cell]:
    """(a) One row a request, over so many connections, each of which waits for its answer."""
    batch = subject.batch(1)
    for connections in scale.connections:
        key = {"experiment": "closed", "subject": subject.name, "connections": connections}
        turns = [http_turn(one, one.side.body(subject, batch), connections, scale.seconds, key) for one in sides]
        turns.append(direct_turn(stage, subject, batch, connections, scale.seconds, key))
        yield Cell(f"{subject.name}, {connections} connections", turns)
