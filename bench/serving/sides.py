"""Who is compared: how each is started, what it is asked and how it answers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from serving import subjects
from serving.processes import free_port
from serving.subjects import Array, Body, Subject

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"
HEADWISE = "headwise"
PLAIN = "FastAPI gateway"
NOOP = "no-op"
DIRECT = "direct gRPC"

Kind = Literal["ours", "peer", "limit"]


@dataclass(frozen=True)
class Place:
    """Where a side is to run.

    scratch: a folder. backend: the shared model server. models: its repository; subjects: a file about what is in it.
    answer: a file with what a no-op says. flags: more of `headwise serve`.
    """

    port: int
    scratch: Path
    backend: str
    models: Path
    answer: Path
    subjects: Path
    flags: Sequence[str] = ()


@dataclass(frozen=True)
class Side:
    """An HTTP server that is compared.

    environment: of requirements/serving/, empty for our own. command: after the environment's python. body: from a
    batch to what asks for it. labels: out of an answer. through: whether it asks the shared model server, whose CPU
    time then counts to it. serves_all: whether one process serves every model. workers: processes that answer, as it is
    set up.
    """

    name: str
    kind: Kind
    environment: str
    command: Callable[[Place], Sequence[str]]
    body: Callable[[Subject, Array], Body]
    ready: str
    labels: Callable[[bytes], list[Any]] = subjects.v1_labels
    through: bool = False
    serves_all: bool = False
    workers: str = "1"
    patience: float = 120.0

    def python(self) -> Path:
        """The interpreter that runs it; it need not exist."""
        return ROOT / f".venv-bench-{self.environment}" / "bin" / "python" if self.environment else Path(sys.executable)

    def why_missing(self) -> str:
        """Why there is no such interpreter: what pip said, where it was asked."""
        log = ROOT / f".venv-bench-{self.environment}.log"
        said = log.read_text("utf-8").strip().splitlines()[-3:] if log.exists() else ["`make bench` installs it"]
        return f"not installed: {' '.join(said)}"

    def variables(self, place: Place, subject: Subject) -> Mapping[str, str]:
        """The environment of its process: what a peer's app reads."""
        return {
            "PYTHONPATH": f"{BENCH}:{ROOT / 'service'}",
            "BENCH_PORT": str(place.port),
            "BENCH_PORT_2": str(free_port()),
            "BENCH_SCRATCH": str(place.scratch),
            "BENCH_BACKEND": place.backend,
            "BENCH_ANSWER": str(place.answer),
            "BENCH_SUBJECTS": str(place.subjects),
            "BENCH_MODEL": subject.name,
            "BENCH_VERSION": str(subject.version),
            "BENCH_INPUT": subject.input,
            "BENCH_OUTPUT": subject.output,
            "BENTOML_DO_NOT_TRACK": "True",
            "RAY_USAGE_STATS_ENABLED": "0",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "PYTHONDONTWRITEBYTECODE": "1",
        }


def _headwise(place: Place) -> Sequence[str]:
    listen = ("--http", f"127.0.0.1:{place.port}", "--grpc", "127.0.0.1:0")
    return ("-m", "headwise", "serve", "--models", str(place.models), "--backend", place.backend, *listen, *place.flags)


def _uvicorn(place: Place) -> Sequence[str]:
    app = "serving.peers.fastapi_gateway:app"
    return ("-m", "uvicorn", app, "--port", str(place.port), "--no-access-log", "--log-level", "warning")


def _bentoml(place: Place) -> Sequence[str]:
    service = ("serving.peers.bentoml_app:Classifier", "--host", "127.0.0.1", "--port", str(place.port))
    return ("-m", "bentoml", "serve", *service)


def _module(name: str) -> Callable[[Place], Sequence[str]]:
    return lambda _place: ("-m", f"serving.peers.{name}")


def _plain_json(_subject: Subject, batch: Array) -> Body:
    return subjects.as_json(batch, "/classify")


def _v2_json(subject: Subject, batch: Array) -> Body:
    return subjects.as_v2(batch, f"/v2/models/{subject.name}/infer", subject.input)


def _headwise_json(subject: Subject, batch: Array) -> Body:
    return subjects.as_json(batch, f"/v1/models/{subject.name}:classify")


SIDES: tuple[Side, ...] = (
    Side(HEADWISE, "ours", "", _headwise, _headwise_json, "/readyz", through=True, serves_all=True),
    Side(PLAIN, "peer", "fastapi", _uvicorn, _headwise_json, "/ready", through=True, serves_all=True),
    Side("LitServe", "peer", "litserve", _module("litserve_app"), _plain_json, "/health", workers="1 HTTP + 1 model"),
    Side("BentoML", "peer", "bentoml", _bentoml, _plain_json, "/readyz"),
    Side("Ray Serve", "peer", "rayserve", _module("ray_app"), _plain_json, "/-/healthz", workers="1 proxy + 1 replica"),
    Side("MLServer", "peer", "mlserver", _module("mlserver_runtime"), _v2_json, "/v2/health/ready", subjects.v2_labels),
    Side(NOOP, "limit", "", _module("noop"), _headwise_json, "/", serves_all=True),
)
"""In the order of the tables."""
