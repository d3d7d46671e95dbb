"""Gateways that are told to stop, die, or stand still."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from headwise.backends.base import PREDICT
from support import faulty_answers as faults
from support.gateway_process import GatewayProcess
from support.keep_alive import Answer, Caller, quantile
from support.standing import BODY, PATH, Measured, milliseconds, standing

DELAY = 1.5


@pytest.mark.fault(16)
def test_a_stop_under_load(tmp_path: Path, measured: Measured) -> None:
    """Callers that go where they are told to (Connection: close, a refused connection) lose nothing."""
    with standing(tmp_path, drain_delay=DELAY, drain_timeout=5) as at:
        at.backend.behave(PREDICT, faults.late(0.05))
        answers: list[Answer] = []
        states: list[int] = []
        refused = 0

        async def load() -> None:
            nonlocal refused
            caller = Caller(at.gateway.url)
            while at.gateway.process.poll() is None:
                answer = await caller.post(PATH, BODY)
                if answer.status == 0 and b"Connect" in answer.body:  # nobody listens any more: on to the next gateway
                    refused += 1
                    break
                answers.append(answer)
            await caller.close()

        async def probe() -> None:
            caller = Caller(at.gateway.url)
            while (answer := await caller.get("/readyz")).status:
                states.append(answer.status)
                await asyncio.sleep(0.02)

        async def run() -> float:
            callers = [asyncio.create_task(load()) for _ in range(20)]
            await asyncio.sleep(1)
            probing = asyncio.create_task(probe())
            await asyncio.sleep(0.1)
            os.kill(at.gateway.process.pid, signal.SIGTERM)
            began = time.perf_counter()
            code = await asyncio.to_thread(at.gateway.process.wait, 15)
            took = time.perf_counter() - began
            assert code == 0
            await asyncio.gather(*callers, probing)
            return took

        took = asyncio.run(run())
    lost = [answer for answer in answers if answer.status != 200]
    unready = states.index(503)
    measured(
        f"{len(answers)} requests, {len(lost)} lost; /readyz says 503 from the signal on; exit 0 after {took:.1f} s "
        f"({DELAY} of them `drain_delay`)"
    )
    assert not lost, lost[:3]
    assert set(states[unready:]) == {503}
    assert took >= DELAY
    measured.below(took, DELAY + 2)


@pytest.mark.fault(16)
@pytest.mark.parametrize("signals", [1, 2])
def test_slow_requests_finish_unless_it_is_told_twice(tmp_path: Path, measured: Measured, signals: int) -> None:
    with standing(tmp_path, drain_timeout=8) as at:
        at.backend.behave(PREDICT, faults.late(2))

        async def run() -> tuple[list[Answer], float]:
            callers = [Caller(at.gateway.url) for _ in range(20)]
            asking = [asyncio.create_task(caller.post(PATH, BODY)) for caller in callers]
            await asyncio.sleep(0.5)
            began = time.perf_counter()
            for _ in range(signals):
                os.kill(at.gateway.process.pid, signal.SIGTERM)
                await asyncio.sleep(0.2)
            answers = await asyncio.gather(*asking)
            code = await asyncio.to_thread(at.gateway.process.wait, 15)
            assert code == 0
            return list(answers), time.perf_counter() - began

        answers, took = asyncio.run(run())
    finished = sum(answer.status == 200 for answer in answers)
    measured(f"told {signals} time(s) under 20 requests of 2 s: {finished} finish, exit 0 after {took:.1f} s")
    assert finished == (20 if signals == 1 else 0)
    measured.below(took, (4 if signals == 1 else 1.5))
    assert "Traceback" not in at.gateway.log


@pytest.mark.fault(23)
def test_a_worker_that_dies_is_back_soon(tmp_path: Path, measured: Measured) -> None:
    with standing(tmp_path) as at:
        arguments = ("--models", str(tmp_path), "--backend", at.backend.address, "--workers", "2")
        with GatewayProcess(*arguments) as several:
            several.wait_ready()
            children = several.children()
            os.kill(children[0], signal.SIGKILL)
            began = time.perf_counter()
            several.wait_for(lambda: len(set(several.children()) - {children[0]}) == 2, 10)
            several.wait_for(lambda: _listening(several, set(several.children()) - set(children)), 10)
            back = milliseconds(began)
            assert several.classify("m", BODY).status_code == 200
    measured(f"a worker killed: another one listens {back / 1000:.1f} s later")
    measured.below(back, 2500)


@pytest.mark.fault(23)
def test_large_bodies_stop_nobody(tmp_path: Path, measured: Measured) -> None:
    rows = json.dumps({"instances": [[0.123456789]] * 700_000}).encode()
    with standing(tmp_path) as at:

        async def run() -> tuple[list[float], int]:
            small = Caller(at.gateway.url)
            stop = asyncio.Event()
            took: list[float] = []

            async def ask() -> None:
                while not stop.is_set():
                    took.append((await small.get("/livez")).seconds)
                    await asyncio.sleep(0.002)

            asking = asyncio.create_task(ask())
            status = {(await asyncio.to_thread(at.gateway.classify, "m", rows)).status_code for _ in range(5)}
            stop.set()
            await asking
            await small.close()
            assert status == {200}
            return took, len(rows)

        took, size = asyncio.run(run())
    measured(
        f"/livez beside bodies of {size >> 20} MB: p99 {quantile(took, 0.99) * 1000:.0f} ms, the longest "
        f"{max(took) * 1000:.0f} ms"
    )
    measured.below(quantile(took, 0.99), 0.1)


def _listening(gateway: GatewayProcess, children: set[int]) -> bool:
    """Whether each of the processes listens at the gateway's port."""
    port = f":{int(gateway.url.rpartition(':')[2]):04X}"
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(port) and line.split()[3] == "0A"
    }
    return bool(children) and all(
        any(_target(file).removeprefix("socket:[").rstrip("]") in inodes for file in Path(f"/proc/{pid}/fd").iterdir())
        for pid in children
    )


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""
