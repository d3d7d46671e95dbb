"""Workers that die, and loops that stand still. What a stop costs: tests/e2e/test_stopping.py."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from support.gateway_process import GatewayProcess
from support.keep_alive import Caller, quantile
from support.standing import BODY, Measured, milliseconds, standing

DELAY = 1.5


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
