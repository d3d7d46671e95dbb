"""Twice the load that the model server can carry, with and without admission; and a million requests that it can."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headwise.backends.base import PREDICT
from headwise.tfserving import prediction_service_pb2
from support import faulty_answers as faults
from support.faulty_backend import FaultyBackend
from support.gateway_process import GatewayProcess
from support.keep_alive import Answer, Caller, every, open_loop, quantile
from support.standing import PATH, Measured, metric, publish, standing

ONE = b'{"instances": [[2.0]]}'
TICK = 0.01
"""Seconds that the model server takes for a row, one after the other: 100 rows a second."""
CAPACITY = 1 / TICK


def one_by_one() -> faults.Behaviour:
    """A model server that works off one row after the other."""
    turn = asyncio.Lock()

    async def behave(answer: faults.Answer) -> bytes:
        data = await answer()
        rows = prediction_service_pb2.PredictResponse.FromString(data).outputs["output_0"].tensor_shape.dim[0].size
        async with turn:
            await asyncio.sleep(TICK * rows)
        return data

    return behave


@dataclass(frozen=True, slots=True)
class Run:
    """What a load came to; times in seconds."""

    goodput: float
    accepted: float
    refused: float
    health: float
    recovery: float


def overloaded(folder: Path, seconds: float, **settings: Any) -> tuple[float, Run]:
    """The 99th percentile at a fifth of the capacity, and what twice the capacity came to."""
    with standing(folder, log_level="error", **settings) as at:
        at.backend.behave(PREDICT, one_by_one())
        url = at.gateway.url
        unloaded = asyncio.run(open_loop(url, PATH, ONE, rate=CAPACITY / 5, seconds=3))

        async def run() -> Run:
            health: list[Answer] = []
            probe = Caller(url)
            probing = asyncio.create_task(every(0.1, lambda: probe.get("/readyz"), health))
            began = time.perf_counter()
            answers = await open_loop(url, PATH, ONE, rate=2 * CAPACITY, seconds=seconds)
            took = time.perf_counter() - began
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)
            good = [answer.seconds for answer in answers if answer.status == 200]
            refused = [answer for answer in answers if answer.status != 200]
            assert {answer.status for answer in refused} <= {503}
            assert {answer.headers["retry-after"] for answer in refused} <= {"1"}
            assert {answer.status for answer in health} == {200}
            began = time.perf_counter()
            while (await probe.post(PATH, ONE)).seconds > 3 * TICK and time.perf_counter() - began < 30:
                pass
            recovery = time.perf_counter() - began
            await probe.close()
            return Run(
                len(good) / took,
                quantile(good, 0.99),
                quantile([answer.seconds for answer in refused], 0.99) if refused else 0.0,
                quantile([answer.seconds for answer in health], 0.99),
                recovery,
            )

        return quantile([answer.seconds for answer in unloaded], 0.99), asyncio.run(run())


def told(run: Run) -> str:
    return (
        f"goodput {run.goodput:.0f}/s, p99 of answers {run.accepted * 1000:.0f} ms, of refusals "
        f"{run.refused * 1000:.1f} ms, /readyz {run.health * 1000:.0f} ms, as before {run.recovery:.1f} s later"
    )


@pytest.mark.fault(15)
@pytest.mark.thorough
@pytest.mark.timeout(180)
def test_twice_the_load(tmp_path: Path, measured: Measured) -> None:
    unloaded, with_admission = overloaded(tmp_path / "with", 15, queue_timeout=0.25)
    _, without = overloaded(tmp_path / "without", 15, queue_timeout=1e6, request_timeout=60, max_request_timeout=60)
    measured(
        f"capacity {CAPACITY:.0f}/s, offered {2 * CAPACITY:.0f}/s for 15 s, `queue_timeout` 0.25, p99 unloaded "
        f"{unloaded * 1000:.0f} ms. With admission: {told(with_admission)}. Without: {told(without)}"
    )
    measured.below(0.95 * CAPACITY, with_admission.goodput)
    measured.below(with_admission.accepted, 2 * unloaded + 0.25)
    measured.below(with_admission.refused, 0.02)
    measured.below(with_admission.health, 0.1)
    measured.below(with_admission.recovery, 5)
    assert without.accepted > 4 * with_admission.accepted


@pytest.mark.fault(15)
def test_what_is_refused_is_refused_at_once_and_health_is_answered(tmp_path: Path, measured: Measured) -> None:
    _, run = overloaded(tmp_path, 3, queue_timeout=0.25)
    measured(f"twice the load for 3 s: {told(run)}")
    measured.below(0.8 * CAPACITY, run.goodput)
    measured.below(run.accepted, 1)


def figures(gateway: GatewayProcess) -> tuple[float, int]:
    """Megabytes resident, and open files."""
    process = Path(f"/proc/{gateway.process.pid}")
    resident = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(resident.split()[1]) / 1024, len(list((process / "fd").iterdir()))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of a line through the points."""
    return statistics.linear_regression(*zip(*points, strict=True)).slope


@pytest.mark.fault(17)
@pytest.mark.thorough
@pytest.mark.system
@pytest.mark.timeout(1800)
def test_a_million_requests(tmp_path: Path, measured: Measured) -> None:
    """Single rows, batches, bad bodies and raw calls, from 64 connections."""
    assert shutil.which("wrk"), "make faults installs it"
    script = tmp_path / "mixed.lua"
    bodies = [ONE.decode(), json.dumps({"instances": [[float(n)] for n in range(64)]}), '{"instances": [["a"]]}']
    script.write_text(
        f"local bodies = {{{', '.join(f'[[{body}]]' for body in bodies)}}}\n"
        "local n = 0\n"
        "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\n"
        "request = function()\n  n = n + 1\n"
        "  if n % 20 == 0 then return wrk.format(nil, '/v1/models/m:predict', nil, bodies[1]) end\n"
        "  if n % 50 == 0 then return wrk.format(nil, nil, nil, bodies[3]) end\n"
        "  return wrk.format(nil, nil, nil, bodies[n % 10 == 1 and 2 or 1])\nend\n"
    )
    with FaultyBackend() as backend:
        publish(tmp_path / "models", [backend])
        backend.calls = _Nowhere()
        with GatewayProcess(
            *("--models", str(tmp_path / "models"), "--backend", backend.address),
            environment={"HEADWISE_LOG_LEVEL": "error"},
        ) as gateway:
            gateway.wait_ready()
            tasks = _tasks(gateway)
            points: list[tuple[float, float]] = []
            done, began = 0.0, time.perf_counter()
            while done < 1_050_000:
                subprocess.run(
                    ["wrk", "-t1", "-c64", "-d5", "-s", str(script), f"{gateway.url}{PATH}"],
                    check=True,
                    capture_output=True,
                )
                done = _requests(gateway)
                points.append((done / 1e6, figures(gateway)[0]))
            seconds = time.perf_counter() - began
            after = [point for point in points if point[0] >= 0.05]
            files = figures(gateway)[1]
            with contextlib.suppress(AssertionError):
                gateway.wait_for(lambda: _tasks(gateway) <= tasks, 5)
            tasks_after = _tasks(gateway)
    growth = slope(after)
    measured(
        f"{done:.0f} requests in {seconds:.0f} s: {after[0][1]:.0f} MB resident after {after[0][0] * 1e6:.0f}, "
        f"{after[-1][1]:.0f} MB at the end, {growth:+.1f} MB a million; {files} open files; tasks {tasks} before, "
        f"{tasks_after} after"
    )
    assert growth <= 5
    assert tasks_after <= tasks + 3
    assert files < 100


class _Nowhere(list):  # type: ignore[type-arg]
    """What remembers nothing: a million calls are many."""

    def append(self, _: object) -> None:
        pass


def _tasks(gateway: GatewayProcess) -> int:
    return int(metric(gateway, "headwise_event_loop_tasks"))


def _requests(gateway: GatewayProcess) -> float:
    return metric(gateway, "headwise_requests_total")
