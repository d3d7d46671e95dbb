"""What one sender's requests do to another's: fairness between models, and large bodies beside small requests."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator

from serving import subjects
from serving.load import LoadError, closed, opened
from serving.sides import HEADWISE, PLAIN
from serving.stage import Running, Stage, turn
from serving.subjects import Body
from serving.turns import Cell, Record, Scale, Turn

LOW_RATE = 100.0
"""Requests a second of the one who is disturbed."""
LARGE = 10_000_000
"""Bytes, at least, of a body that would stall others."""


def fairness(stage: Stage, scale: Scale, quiet: str, busy: str) -> Iterator[Cell]:
    """(g) One model asked at a low rate, alone and while another is asked over 64 connections as fast as it answers."""
    quiet_subject, busy_subject = stage.subjects[quiet], stage.subjects[busy]
    turns = []
    for one in stage.sides(quiet_subject, (HEADWISE, PLAIN)):
        small = one.side.body(quiet_subject, quiet_subject.batch(1))
        load = one.side.body(busy_subject, busy_subject.batch(1))
        for beside, body, connections in (("nobody", None, 0), (f"{busy}, 64 connections", load, 64)):
            turns.append(_disturbed(one, "fairness", small, beside, body, connections, 2 * scale.seconds))
    yield Cell(f"fairness, {quiet} beside {busy}", turns)


def stall(stage: Stage, scale: Scale, small_name: str, large_name: str) -> Iterator[Cell]:
    """(i) Small requests at a low rate, alone and while 10 MB of JSON arrive on another connection, again and again."""
    small_subject, large_subject = stage.subjects[small_name], stage.subjects[large_name]
    one_row = len(subjects.as_json(large_subject.batch(1), "/").content)
    batch = large_subject.batch(math.ceil(LARGE / one_row))
    turns = []
    for one in stage.sides(small_subject, (HEADWISE, PLAIN)):
        small = one.side.body(small_subject, small_subject.batch(1))
        large = one.side.body(large_subject, batch)
        for beside, body in (("nobody", None), (f"{len(large.content) / 1e6:.1f} MB JSON", large)):
            turns.append(_disturbed(one, "stall", small, beside, body, 1, 2 * scale.seconds))
    yield Cell("stall, small requests beside 10 MB bodies", turns)


def _disturbed(
    one: Running, experiment: str, small: Body, beside: str, body: Body | None, connections: int, seconds: int
) -> Turn:
    key = {"experiment": experiment, "side": one.side.name, "workers": one.side.workers, "beside": beside}

    def run() -> Record:
        with turn(one), _Background(one, body, connections, seconds) as background:
            found = one.measured(lambda url: opened(url, small, LOW_RATE, seconds, 0.0))
        if background.failed:
            found["failed"] = f"the other sender: {background.failed}"
        # The CPU time is both senders': it says nothing of a request.
        return {name: value for name, value in found.items() if name != "cpu_us"}

    return Turn({**key, "asked_rate": LOW_RATE}, run)


class _Background:
    """Another sender, in a closed loop that begins before and ends after what is measured; none without a body.

    failed: what went wrong with it, known at the end.
    """

    def __init__(self, one: Running, body: Body | None, connections: int, seconds: int) -> None:
        self.failed = ""
        self._asked = None if body is None else (one.url, body, connections, seconds + 2)
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> _Background:
        self._thread.start()
        time.sleep(1.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _send(self) -> None:
        if self._asked is None:
            return
        try:
            errors = closed(*self._asked).errors
        except LoadError as error:
            self.failed = str(error)
        else:
            self.failed = ", ".join(f"{count} {kind}" for kind, count in errors.items())
