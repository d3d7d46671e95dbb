"""Where one comparison takes place: a shared model server, the sides beside it, and whose turn it is."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from serving import direct
from serving.load import Load, LoadError, closed
from serving.processes import Server, ServerError, free_port, wait_until
from serving.sides import BENCH, NOOP, ROOT, Place, Side
from serving.subjects import Body, Subject


class WrongAnswerError(Exception):
    """A side that answers wrongly is not measured."""


@dataclass(frozen=True)
class Running:
    """A side that answers. shared: the model server, where it asks it."""

    side: Side
    server: Server
    port: int
    shared: Server | None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """Of all processes that work for it."""
        return self.server.cpu_seconds() + (self.shared.cpu_seconds() if self.shared is not None else 0.0)

    def post(self, body: Body) -> tuple[int, bytes]:
        """One request."""
        return _ask(self.port, "POST", body.path, body.content, body.headers)

    def measure(self, run: Callable[[str], Load]) -> dict[str, Any]:
        """The figures of one turn of this side: what the generator saw, and CPU microseconds a request."""
        before = self.cpu_seconds()
        load = run(self.url)
        taken = self.cpu_seconds() - before
        return figures(load, taken)


def figures(load: Load, cpu_s: float) -> dict[str, Any]:
    """One record; `failed` says why it counts for nothing."""
    kept = {name: getattr(load, name) for name in ("requests", "seconds", "p50_ms", "p90_ms", "p99_ms", "max_ms")}
    found: dict[str, Any] = {
        **kept,
        "rate": load.rate,
        "cpu_us": 1e6 * cpu_s / load.requests if load.requests else None,
    }
    if load.errors or not load.requests:
        found["failed"] = ", ".join(f"{count} {kind}" for kind, count in load.errors.items()) or "no answer"
    return found


@dataclass(frozen=True)
class Stage:
    """A scratch folder with a model repository, and the model server that serves it."""

    scratch: Path
    models: Path
    backend: str
    model_server: Server

    @classmethod
    @contextmanager
    def of(cls, scratch: Path, models: Mapping[str, Path], patience: float = 120.0) -> Iterator[Stage]:
        """A model server over versions by name of model.

        Raises: ServerError.
        """
        scratch.mkdir(parents=True, exist_ok=True)
        repository = scratch / "models"
        for name, version in models.items():
            (repository / name).mkdir(parents=True)
            (repository / name / "1").symlink_to(version.resolve())
        socket = scratch / "model-server.sock"
        command = ["-m", "headwise", "model-server", "--models", str(repository), "--listen", f"unix:{socket}"]
        variables = {"PYTHONPATH": str(ROOT / "service"), "TF_CPP_MIN_LOG_LEVEL": "2"}
        server = Server("model server", [sys.executable, *command], scratch / "model-server.log", variables, ROOT)
        with server:
            wait_until(socket.exists, server, patience)
            yield cls(scratch, repository, f"unix:{socket}", server)

    @contextmanager
    def running(self, side: Side, subject: Subject, answer: bytes = b"") -> Iterator[Running]:
        """A side that is ready, and frozen until its turn comes. answer: what a no-op says.

        Raises: ServerError if it does not start.
        """
        if not side.python().exists():
            raise ServerError(f"{side.python()} is missing: `make bench` installs it")
        file = self.scratch / f"answer-{subject.name}"
        file.write_bytes(answer)
        place = Place(free_port(), self.scratch, self.backend, self.models, file)
        log = self.scratch / f"{side.name.replace(' ', '-')}-{subject.name}.log"
        command = [str(side.python()), *side.command(place, subject)]
        with Server(side.name, command, log, side.variables(place, subject), BENCH) as server:
            wait_until(lambda: _ready(place.port, side.ready), server, side.patience)
            yield Running(side, server, place.port, self.model_server if side.through else None)

    def start(self, sides: Sequence[Side], subject: Subject, open_: ExitStack) -> tuple[list[Running], dict[str, str]]:
        """Those that answer a row with the right label, and why the others do not; all frozen."""
        found: list[Running] = []
        missing: dict[str, str] = {}
        for side in sides:
            answer = _answer_of(found, subject) if side.name == NOOP else b""
            try:
                running = open_.enter_context(self.running(side, subject, answer))
                check(running, subject, self.backend)
            except (ServerError, WrongAnswerError, LoadError) as error:
                missing[side.name] = str(error)
                continue
            running.server.freeze()
            found.append(running)
        return found, missing


@contextmanager
def turn(*running: Running) -> Iterator[None]:
    """Only these sides run meanwhile."""
    for one in running:
        one.server.thaw()
    try:
        yield
    finally:
        for one in running:
            one.server.freeze()


def check(running: Running, subject: Subject, backend: str, rows: int = 8) -> None:
    """Ask for a few rows, one at a time, and hold the labels against the model's own.

    Raises: WrongAnswerError.
    """
    batch = subject.batch(rows)
    for row, expected in zip(batch, direct.labels(backend, subject, batch), strict=True):
        status, answer = running.post(running.side.body(subject, row[None]))
        if status != 200:
            raise WrongAnswerError(f"{running.side.name} answered {status}: {answer[:300]!r}")
        if running.side.name != NOOP and running.side.labels(answer) != [expected]:
            raise WrongAnswerError(f"{running.side.name} answered {answer[:300]!r}, expected label {expected!r}")


def warm(running: Running, body: Body, connections: int) -> None:
    """A second of load that nobody measures."""
    closed(running.url, body, connections, 1)


def _answer_of(found: Sequence[Running], subject: Subject) -> bytes:
    """What the first side answers to one row; of a like size where there is none."""
    if not found:
        return json.dumps({"predictions": [subject.head.answer(np.zeros((1, 1)))]}).encode()
    with turn(found[0]):
        return found[0].post(found[0].side.body(subject, subject.batch(1)))[1]


def _ready(port: int, path: str) -> bool:
    try:
        return _ask(port, "GET", path, b"", {})[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _ask(port: int, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, content, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
