"""What is measured with all sides: load, rates, sizes of bodies and batches, widths of heads."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from serving import alone, subjects
from serving.load import closed, opened
from serving.sides import HEADWISE, NOOP, PLAIN
from serving.stage import Running, Stage
from serving.subjects import Array, Body, Subject
from serving.turns import Cell, Record, Scale, Turn, direct_turn, http_turn

SHARES = (0.25, 0.5, 0.75)
"""Of each side's own capacity, in the open loop."""
BATCHES = (1, 4, 16, 64, 256, 1024, 4096)
GATEWAYS = (HEADWISE, PLAIN)


def closed_loop(stage: Stage, scale: Scale, names: Sequence[str]) -> Iterator[Cell]:
    """(a) One row a request, over so many connections, each of which waits for its answer."""
    for name in names:
        subject = stage.subjects[name]
        batch, sides = subject.batch(1), stage.sides(subject)
        for connections in scale.connections:
            key = {"experiment": "closed", "subject": name, "connections": connections}
            turns = [http_turn(one, one.side.body(subject, batch), connections, scale.seconds, key) for one in sides]
            turns.append(direct_turn(stage, subject, batch, connections, scale.seconds, key))
            yield Cell(f"closed loop, {name}, {connections} connections", turns)


def open_loop(stage: Stage, scale: Scale, name: str) -> Iterator[Cell]:
    """(b) Requests at fixed rates, whether or not the answers have come: shares of each side's own capacity."""
    subject = stage.subjects[name]
    batch = subject.batch(1)
    found = [(one, *_capacity(one, one.side.body(subject, batch), scale)) for one in stage.sides(subject)]
    for share in SHARES:
        key = {"experiment": "open", "subject": name, "share": share}
        turns = [
            _open_turn(one, one.side.body(subject, batch), share * rate, answer_s, scale.seconds, key)
            for one, rate, answer_s in found
            if rate
        ]
        yield Cell(f"open loop, {name}, {share:.0%} of capacity", turns)


def _capacity(running: Running, body: Body, scale: Scale) -> tuple[float, float]:
    """Requests a second at 64 connections, the median of three runs; and how long one takes at one connection."""
    runs = [running.measure(lambda url: closed(url, body, 64, scale.seconds)) for _ in range(3)]
    alone_ = running.measure(lambda url: closed(url, body, 1, 1))
    return statistics.median(run["rate"] for run in runs), alone_["p50_ms"] / 1e3


def _open_turn(
    running: Running, body: Body, rate: float, answer_s: float, seconds: int, key: Mapping[str, object]
) -> Turn:
    def run() -> Record:
        return running.measure(lambda url: opened(url, body, rate, seconds, answer_s))

    about = {"side": running.side.name, "workers": running.side.workers, "asked_rate": rate}
    return Turn({**key, **about}, run)


@dataclass(frozen=True)
class Form:
    """A way to send numbers to headwise. body: of a subject and a batch."""

    name: str
    body: Callable[[Subject, Array], Body]


FORMS = (
    Form("JSON", lambda subject, batch: subjects.as_json(batch, _path(subject))),
    Form("npz", lambda subject, batch: subjects.as_npz(batch, _path(subject), subject.input)),
    Form("raw", lambda subject, batch: subjects.as_raw(batch, _path(subject))),
    Form("V2 JSON", lambda subject, batch: subjects.as_v2(batch, _v2_path(subject), subject.input)),
    Form("V2 binary", lambda subject, batch: subjects.as_v2_binary(batch, _v2_path(subject), subject.input)),
)
UNDERSTOOD = {HEADWISE: tuple(form.name for form in FORMS), NOOP: ("JSON", "raw")}
"""The forms that a side is asked in; the others in their own JSON. A no-op shows what receiving a body takes alone."""


def _path(subject: Subject) -> str:
    return f"/v1/models/{subject.name}:classify"


def _v2_path(subject: Subject) -> str:
    return f"/v2/models/{subject.name}/infer"


def body_sizes(stage: Stage, scale: Scale, names: Sequence[str]) -> Iterator[Cell]:
    """(c) One row of few and of many numbers, in each form, at 4 connections."""
    for name in names:
        subject = stage.subjects[name]
        batch = subject.batch(1)
        big = subject.numbers > 10_000
        seconds = 2 * scale.seconds if big else scale.seconds
        key = {"experiment": "sizes", "subject": name, "numbers": subject.numbers, "connections": 4}
        turns = []
        for one in stage.sides(subject, None if big else (HEADWISE, PLAIN, NOOP)):
            if one.side.name in UNDERSTOOD:
                wanted = UNDERSTOOD[one.side.name]
                bodies = [(form.name, form.body(subject, batch)) for form in FORMS if form.name in wanted]
            else:
                bodies = [("JSON", one.side.body(subject, batch))]
            for form, body in bodies:
                turns.append(http_turn(one, body, 4, seconds, {**key, "form": form, "bytes": len(body.content)}))
        through_grpc = {**key, "form": "gRPC", "bytes": 4 * batch.size}
        turns.append(direct_turn(stage, subject, batch, 4, seconds, through_grpc))
        yield Cell(f"body sizes, {subject.numbers:,} numbers", turns)


def head_widths(stage: Stage, scale: Scale, names: Sequence[str]) -> Iterator[Cell]:
    """(d) Heads of few and of many classes, the five most probable asked for, at 8 connections."""
    for name in names:
        subject = stage.subjects[name]
        batch, classes = subject.batch(1), len(subject.head.labels)
        key = {"experiment": "heads", "subject": name, "classes": classes, "connections": 8}
        turns = []
        for one in stage.sides(subject, GATEWAYS):
            ours = one.side.name == HEADWISE
            asked = {"options": {"top_k": 5, "include": []}} if ours else {"top_k": 5}
            body = subjects.as_json(batch, _path(subject), **asked)
            turns.append(http_turn(one, body, 8, scale.seconds, key))
        turns.append(direct_turn(stage, subject, batch, 8, scale.seconds, key))
        yield Cell(f"heads, {classes:,} classes", turns)


def head_maths(_stage: Stage, scale: Scale) -> Iterator[Cell]:
    """(d) The head maths alone, through the Python API, beside one pass over the same numbers."""
    turns = [Turn({"experiment": "head alone", **key}, run) for key, run in alone.heads(scale.seconds)]
    yield Cell("head maths alone", turns)


def batch_growth(stage: Stage, scale: Scale, name: str) -> Iterator[Cell]:
    """(f) More and more rows in one request, one request at a time."""
    subject = stage.subjects[name]
    with alone.RawTensorFlow(subject) as raw:
        for rows in BATCHES:
            yield Cell(f"batches, {rows:,} rows a request", list(_batch_turns(stage, scale, subject, rows, raw)))


def _batch_turns(stage: Stage, scale: Scale, subject: Subject, rows: int, raw: alone.RawTensorFlow) -> Iterator[Turn]:
    batch, seconds = subject.batch(rows), max(1, scale.seconds // 2)
    key = {"experiment": "batches", "subject": subject.name, "rows": rows, "connections": 1}
    for one in stage.sides(subject, GATEWAYS):
        wanted = ("JSON", "raw") if one.side.name == HEADWISE else ("JSON",)
        for form in FORMS:
            if form.name in wanted:
                yield http_turn(one, form.body(subject, batch), 1, seconds, {**key, "form": form.name})
    yield direct_turn(stage, subject, batch, 1, seconds, {**key, "form": "gRPC"})
    in_process = {**key, "form": "in process", "side": "raw TensorFlow", "workers": "1"}
    yield Turn(in_process, lambda: raw.measure(rows, seconds))
