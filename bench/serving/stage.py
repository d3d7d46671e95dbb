"""Where a comparison takes place: a shared model server, the sides beside it, and whose turn it is."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from serving import direct
from serving.load import Load, LoadError
from serving.processes import Server, ServerError, free_port, wait_until
from serving.sides import BENCH, NOOP, ROOT, Place, Side
from serving.subjects import Body, Subject


class WrongAnswerError(Exception):
    """A side that answers wrongly is not measured."""


@dataclass(frozen=True)
class Running:
    """A side that answers for a subject. shared: the model server, where it asks it."""

    side: Side
    subject: Subject
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
        """One request: status and answer."""
        return _ask(self.port, "POST", body.path, body.content, body.headers)

    def measure(self, run: Callable[[str], Load]) -> dict[str, Any]:
        """The figures of one turn of this side: what the generator saw, and CPU microseconds a request."""
        with turn(self):
            return self.measured(run)

    def measured(self, run: Callable[[str], Load]) -> dict[str, Any]:
        """`measure` within a turn that somebody else ends."""
        before = self.cpu_seconds()
        load = run(self.url)
        return figures(load, self.cpu_seconds() - before)


def figures(load: Load, cpu_s: float) -> dict[str, Any]:
    """One record; `failed` says why it counts for nothing."""
    kept = {name: getattr(load, name) for name in ("requests", "seconds", "p50_ms", "p90_ms", "p99_ms", "max_ms")}
    found: dict[str, Any] = {**kept, "rate": load.rate, "cpu_us": 1e6 * cpu_s / max(load.requests, 1)}
    if load.errors or not load.requests:
        found["failed"] = ", ".join(f"{count} {kind}" for kind, count in load.errors.items()) or "no answer"
    return found


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


@dataclass(frozen=True)
class Flags:
    """More arguments of `headwise serve` and of `headwise model-server`."""

    serve: tuple[str, ...] = ()
    model_server: tuple[str, ...] = ()


NO_FLAGS = Flags()


class Stage:
    """A model server over a repository of its own, and the sides that were asked for; `missing` says why some are not.

    Used by `with`. Sides that serve one model at a time are started again for another. flags: more of `headwise serve`
    and of `headwise model-server`.
    """

    def __init__(
        self, scratch: Path, subjects: Iterable[Subject], wanted: Sequence[Side], flags: Flags = NO_FLAGS
    ) -> None:
        self.subjects = {subject.name: subject for subject in subjects}
        self.missing: dict[str, str] = {}
        self.wanted = wanted
        self.backend = f"unix:{scratch / 'model-server.sock'}"
        self._scratch, self.flags = scratch, flags
        self._checked: set[str] = set()
        self._open: dict[str, tuple[ExitStack, Running]] = {}
        self._models = scratch / "models"
        command = ["-m", "headwise", "model-server", "--models", str(self._models), "--listen", self.backend]
        command += flags.model_server
        variables = {"PYTHONPATH": str(ROOT / "service"), "TF_CPP_MIN_LOG_LEVEL": "2"}
        log = scratch / "model-server.log"
        self.model_server = Server("model server", [sys.executable, *command], log, variables, ROOT)

    def __enter__(self) -> Stage:
        for subject in self.subjects.values():
            (self._models / subject.name).mkdir(parents=True)
            (self._models / subject.name / "1").symlink_to(subject.version.resolve())
        names = {name: subject.names() for name, subject in self.subjects.items()}
        (self._scratch / "subjects.json").write_text(json.dumps(names), "utf-8")
        self.model_server.__enter__()
        try:
            wait_until(Path(self.backend.removeprefix("unix:")).exists, self.model_server, 120 + len(self.subjects))
        except ServerError:
            self.model_server.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for name in list(self._open):
            self._close(name)
        self.model_server.stop()

    def sides(self, subject: Subject, names: Sequence[str] | None = None) -> list[Running]:
        """Those of the wanted ones that answer this subject's rows with the right labels; all frozen."""
        chosen = [side for side in self.wanted if names is None or side.name in names]
        return [found for side in chosen if (found := self._running(side, subject)) is not None]

    def _running(self, side: Side, subject: Subject) -> Running | None:
        if side.name in self._open:
            running = self._open[side.name][1]
            if running.subject is not subject and not (side.serves_all and side.name != NOOP):
                self._close(side.name)
        asked = f"{side.name}, {subject.name}"
        if asked in self.missing:
            return None
        try:
            if side.name not in self._open:
                self._open[side.name] = self._started(side, subject)
            running = self._open[side.name][1]
            if asked not in self._checked:
                with turn(running):
                    _check(running, subject, direct.labels(self.backend, subject, subject.batch(_checked(subject))))
                self._checked.add(asked)
        except (OSError, http.client.HTTPException, ServerError, WrongAnswerError, LoadError) as error:
            self.missing[asked] = str(error)
            return None
        return running

    def _started(self, side: Side, subject: Subject) -> tuple[ExitStack, Running]:
        """At the second try where the first fails: Ray gives its processes 30 seconds, which is little on two cores."""
        try:
            return self._start(side, subject)
        except ServerError:
            if not side.python().exists():
                raise
            return self._start(side, subject)

    def _start(self, side: Side, subject: Subject) -> tuple[ExitStack, Running]:
        if not side.python().exists():
            raise ServerError(side.why_missing())
        answer = self._scratch / "answer"
        answer.write_bytes(self._answer(subject))
        place = Place(
            free_port(),
            self._scratch,
            self.backend,
            self._models,
            answer,
            self._scratch / "subjects.json",
            self.flags.serve,
        )
        log = self._scratch / f"{side.name.replace(' ', '-')}.log"
        command = [str(side.python()), *side.command(place)]
        with ExitStack() as stack:
            server = stack.enter_context(Server(side.name, command, log, side.variables(place, subject), BENCH))
            wait_until(lambda: _ready(place.port, side.ready), server, side.patience + len(self.subjects))
            running = Running(side, subject, server, place.port, self.model_server if side.through else None)
            server.freeze()
            return stack.pop_all(), running
        raise AssertionError("unreachable")  # for mypy: ExitStack may swallow errors

    def _answer(self, subject: Subject) -> bytes:
        """What the first side answers to one row, for the no-op to say."""
        for _, running in self._open.values():
            if running.side.serves_all and running.side.name != NOOP:
                with turn(running):
                    return running.post(running.side.body(subject, subject.batch(1)))[1]
        return b"{}"

    def _close(self, name: str) -> None:
        self._open.pop(name)[0].close()


def _checked(subject: Subject) -> int:
    """Rows whose labels have to be right before a side is measured; pictures take some sides a second each."""
    return 8 if subject.numbers < 10_000 else 2


def _check(running: Running, subject: Subject, expected: Sequence[str]) -> None:
    """Ask for a few rows, one at a time.

    Raises: WrongAnswerError.
    """
    side = running.side
    for row, label in zip(subject.batch(len(expected)), expected, strict=True):
        status, answer = running.post(side.body(subject, row[None]))
        if status != 200:
            raise WrongAnswerError(f"{side.name} answered {status} for {subject.name}: {answer[:300]!r}")
        if side.name != NOOP and side.labels(answer) != [label]:
            raise WrongAnswerError(f"{side.name} answered {answer[:300]!r} for {subject.name}, expected {label!r}")


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
