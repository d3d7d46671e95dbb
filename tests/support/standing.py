"""A real gateway before model servers that can be made faulty: what the tests of faults begin with."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.faulty_backend import FaultyBackend
from support.gateway_process import GatewayProcess
from support.in_memory_gateway import BINARY, Models

ROWS = {"instances": [[2.0], [-2.0]]}
BODY = b'{"instances": [[2.0], [-2.0]]}'
PATH, CONTROL = "/v1/models/m:classify", "/v1/models/control:classify"


@dataclass
class Standing:
    """Models m and control, which answer their input as logits; a backend or several; a gateway that is ready."""

    folder: Path
    backends: list[FaultyBackend]
    gateway: GatewayProcess

    @property
    def backend(self) -> FaultyBackend:
        """The only one."""
        (one,) = self.backends
        return one

    def models(self, backend: FaultyBackend | None = None) -> Models:
        """What publishes versions to the folder and to a backend."""
        return Models(self.folder, (backend or self.backends[0]).memory)

    def metric(self, name: str) -> float:
        """A figure of /metrics, summed over its labels."""
        return metric(self.gateway, name)

    def process(self) -> tuple[int, int, int]:
        """Open files, tasks of the loop, and requests in flight."""
        return (
            len(list(Path(f"/proc/{self.gateway.process.pid}/fd").iterdir())),
            int(self.metric("headwise_event_loop_tasks")),
            int(self.metric("headwise_requests_in_flight")),
        )

    def settle(self, before: tuple[int, int, int], seconds: float = 10) -> None:
        """Wait until open files, tasks and requests in flight are what they were before, or fewer."""
        self.gateway.wait_for(
            lambda: all(now <= was + slack for now, was, slack in zip(self.process(), before, (3, 2, 0), strict=True)),
            seconds,
        )


def metric(gateway: GatewayProcess, name: str) -> float:
    """A figure of /metrics, summed over its labels."""
    found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", gateway.http.get("/metrics").text, re.MULTILINE)
    return sum(map(float, found))


@contextmanager
def standing(
    folder: Path,
    *arguments: str,
    backends: int = 1,
    **environment: Any,
) -> Iterator[Standing]:
    """environment: settings by their names."""
    settings = {f"HEADWISE_{name.upper()}": str(value) for name, value in environment.items()}
    with ExitStack() as stack:
        made = [stack.enter_context(FaultyBackend()) for _ in range(backends)]
        publish(folder, made)
        targets = ",".join(one.address for one in made)
        gateway = stack.enter_context(
            GatewayProcess("--models", str(folder), "--backend", targets, *arguments, environment=settings)
        )
        gateway.wait_ready()
        yield Standing(folder, made, gateway)


def publish(folder: Path, backends: list[FaultyBackend]) -> None:
    """The models m and control, in the folder and in every backend."""
    for name in ("m", "control"):
        for number, backend in enumerate(backends):
            models = Models(folder, backend.memory)
            if number == 0:
                models.add(name, {"output_0": BINARY})
            else:
                backend.memory.models[name] = dict(backends[0].memory.models[name])


class Measured:
    """Writes down figures, for the page of faults; told: where. strict: whether bounds on time hold, as they cannot be
    expected to while other tests run."""

    def __init__(self, told: Callable[[str, object], None], *, strict: bool) -> None:
        self._told = told
        self._strict = strict

    def __call__(self, text: str) -> None:
        self._told("measured", text)

    def below(self, value: float, bound: float) -> None:
        """A time, or what hangs on times, stays below a bound."""
        if self._strict:
            assert value < bound


def milliseconds(began: float) -> float:
    """Since a time of perf_counter."""
    return (time.perf_counter() - began) * 1000
