"""What is around a gateway goes wrong: clock, disk, names, network, certificates, memory."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from headwise.backends.base import PREDICT
from support import faulty_answers as faults
from support.faulty_backend import FaultyBackend
from support.gateway_process import COMMAND, GatewayProcess
from support.standing import BODY, PATH, Measured, metric, milliseconds, publish

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.mark.fault(18)
@pytest.mark.thorough
@pytest.mark.system
def test_a_clock_that_jumps(tmp_path: Path, measured: Measured) -> None:
    library = next(Path("/usr/lib").rglob("libfaketime.so.1"))
    stamp = tmp_path / "time"
    stamp.write_text("+0")
    jumping = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(stamp),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "HEADWISE_REQUEST_TIMEOUT": "1",
        "HEADWISE_LOG_FORMAT": "json",
    }
    with FaultyBackend() as backend:
        publish(tmp_path / "models", [backend])
        arguments = ("--models", str(tmp_path / "models"), "--backend", backend.address)
        with GatewayProcess(*arguments, environment=jumping) as gateway:
            gateway.wait_ready()
            late = []
            for shift in ("+3600", "-3600", "+0"):
                stamp.write_text(shift)
                time.sleep(1.2)
                assert gateway.classify("m", BODY).status_code == 200
                backend.behave(PREDICT, faults.never)
                began = time.perf_counter()
                assert gateway.classify("m", BODY).status_code == 504
                late.append(milliseconds(began) - 1000)
                backend.behave(PREDICT)
            ejected = metric(gateway, "headwise_backend_ejections_total")
            assert '"milliseconds":-' not in gateway.log
    measured(f"an hour on, back and again: deadlines kept within {max(map(abs, late)):.0f} ms, {ejected:.0f} ejections")
    measured.below(max(map(abs, late)), 100)
    assert ejected == 0


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.fault(19)
@pytest.mark.thorough
@needs_root
def test_a_disk_that_is_full_under_the_log(tmp_path: Path, measured: Measured) -> None:
    with FaultyBackend() as backend, small_disk(tmp_path / "disk") as disk, (disk / "log").open("wb") as log:
        publish(tmp_path / "models", [backend])
        arguments = ("--models", str(tmp_path / "models"), "--backend", backend.address)
        with GatewayProcess(*arguments, environment={"TMPDIR": str(disk)}, log=log) as gateway:
            gateway.wait_ready()
            _fill(disk / "filler")
            statuses = {gateway.classify("m", BODY).status_code for _ in range(300)}
            broken = gateway.classify("m", b"{").status_code
            lost = metric(gateway, "headwise_log_lines_lost_total")
            (disk / "filler").unlink()
            assert gateway.classify("m", BODY).status_code == 200
            code = gateway.stop(signal.SIGTERM)
    measured(f"300 requests: {statuses}; {lost:.0f} lines of the log were lost and counted; exit {code}")
    assert (statuses, broken, code) == ({200}, 400, 0)
    assert lost > 0


@pytest.mark.fault(20)
@pytest.mark.thorough
@needs_root
def test_a_name_that_changes_its_addresses(tmp_path: Path, measured: Measured) -> None:
    """Through the system's own resolver, by a line in its file of hosts."""
    hosts = Path("/etc/hosts")
    before = hosts.read_text()
    with FaultyBackend() as first:
        port = int(first.address.rpartition(":")[2])
        with FaultyBackend(f"127.0.0.2:{port}") as second:
            publish(tmp_path, [first, second])
            try:
                hosts.write_text(f"{before}\n127.0.0.1 headwise-models.test\n")
                target = f"dns:///headwise-models.test:{port}"
                with GatewayProcess("--models", str(tmp_path), "--backend", target) as gateway:
                    gateway.wait_ready()
                    hosts.write_text(f"{before}\n127.0.0.2 headwise-models.test\n")
                    began = time.perf_counter()
                    statuses = set()

                    def moved() -> bool:
                        statuses.add(gateway.classify("m", BODY).status_code)
                        return bool(second.seen(PREDICT))

                    gateway.wait_for(moved, 30)
                    took = milliseconds(began)
                    hosts.write_text(before)
                    time.sleep(11)
                    statuses.add(gateway.classify("m", BODY).status_code)
            finally:
                hosts.write_text(before)
    measured(f"the new address is asked after {took / 1000:.0f} s; without any the old one goes on; all: {statuses}")
    assert statuses == {200}
    measured.below(took, 30_000)


@pytest.mark.fault(20)
@pytest.mark.thorough
@needs_root
@pytest.mark.timeout(120)
def test_a_resolver_that_hangs(tmp_path: Path, measured: Measured) -> None:
    """A name server that never answers, for this gateway alone, and a file of hosts that is asked before it."""
    hosts, resolver = tmp_path / "hosts", tmp_path / "resolv.conf"
    hosts.write_text("")
    resolver.write_text("nameserver 127.0.0.20\n")
    mounts = f'mount --bind {hosts} /etc/hosts && mount --bind {resolver} /etc/resolv.conf && exec "$@"'
    command = ("unshare", "--mount", "sh", "-c", mounts, "sh", *COMMAND)
    with FaultyBackend() as backend, socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.20", 53))
        publish(tmp_path / "models", [backend])
        target = f"dns:///headwise-models.test:{backend.address.rpartition(':')[2]}"
        with GatewayProcess("--models", str(tmp_path / "models"), "--backend", target, command=command) as gateway:

            def asked(times: int) -> tuple[set[int], float]:
                began = time.perf_counter()
                statuses = {gateway.classify("m", BODY).status_code for _ in range(times)}
                return statuses, milliseconds(began) / times

            gateway.wait_for(lambda: "not looked up within" in gateway.log, 10)
            unknown, fast = asked(20)
            hosts.write_text("127.0.0.1 headwise-models.test\n")
            began = time.perf_counter()
            gateway.wait_for(lambda: gateway.classify("m", BODY).status_code == 200, 40)
            found = milliseconds(began)
            hosts.write_text("")
            gateway.wait_for(lambda: gateway.log.count("not looked up within") == 2, 40)
            known, _ = asked(20)
            began = time.perf_counter()
            code = gateway.stop(signal.SIGTERM)
            stopped = milliseconds(began)
    measured(
        f"503 in {fast:.0f} ms; the address is used {found / 1000:.0f} s after it is known, then goes on; "
        f"stopped within {stopped / 1000:.1f} s of SIGTERM"
    )
    assert (unknown, known, code) == ({503}, {200}, 0)
    measured.below(fast, 100)
    measured.below(found, 30_000)
    measured.below(stopped, 3000)


@pytest.mark.fault(5)
@pytest.mark.thorough
@pytest.mark.system
@needs_root
def test_packets_that_are_dropped(tmp_path: Path, measured: Measured) -> None:
    assert shutil.which("nft"), "make faults installs it"
    with FaultyBackend() as backend:
        port = backend.address.rpartition(":")[2]
        publish(tmp_path, [backend])
        settings = {"HEADWISE_REQUEST_TIMEOUT": "2"}
        with GatewayProcess("--models", str(tmp_path), "--backend", backend.address, environment=settings) as gateway:
            gateway.wait_ready()
            chain = f"chain c {{ type filter hook output priority 0; tcp dport {port} drop; }}"
            rules = f"table ip headwise_test {{\n{chain}\n}}"
            subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
            try:
                began = time.perf_counter()
                answer = gateway.classify("m", BODY)
                late = milliseconds(began)
                gateway.wait_for(lambda: metric(gateway, "headwise_backend_ejections_total") == 1, 10)
                refused = gateway.classify("m", BODY).status_code
                time.sleep(5)
            finally:
                subprocess.run(["nft", "delete", "table", "ip", "headwise_test"], check=True)
            began = time.perf_counter()
            gateway.wait_for(lambda: gateway.classify("m", BODY).status_code == 200, 10)
            back = milliseconds(began)
    measured(f"{answer.status_code} after {late:.0f} ms, then {refused}; answering {back / 1000:.1f} s after it healed")
    assert answer.status_code in (503, 504)
    measured.below(late, 2200)
    measured.below(back, 5000)


@pytest.mark.fault(28)
@pytest.mark.thorough
@needs_root
def test_memory_that_runs_short(tmp_path: Path, measured: Measured) -> None:
    """In a control group with a limit, under bodies that together have more than that."""
    group = Path("/sys/fs/cgroup/memory/headwise-test")
    if not group.parent.is_dir():
        group = Path("/sys/fs/cgroup/headwise-test")
    group.mkdir()
    try:
        limit = 600 << 20
        name = "memory.limit_in_bytes" if (group / "memory.limit_in_bytes").exists() else "memory.max"
        (group / name).write_text(str(limit))
        enter = (
            f"import os, runpy, sys; open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid())); "
            "sys.argv = ['headwise', *sys.argv[1:]]; runpy.run_module('headwise', run_name='__main__')"
        )
        rows = b'{"instances": [' + b",".join([b"[0.5]"] * 500_000) + b"]}"
        with FaultyBackend() as backend:
            publish(tmp_path, [backend])
            backend.behave(PREDICT, faults.late(1))
            arguments = ("--models", str(tmp_path), "--backend", backend.address)
            patient = {"HEADWISE_QUEUE_TIMEOUT": "60"}
            with GatewayProcess(*arguments, environment=patient, command=(sys.executable, "-c", enter)) as gateway:
                gateway.wait_ready()
                statuses: list[int] = []

                def ask() -> None:
                    for _ in range(3):
                        try:
                            statuses.append(httpx.post(f"{gateway.url}{PATH}", content=rows, timeout=60).status_code)
                        except httpx.HTTPError:
                            statuses.append(0)

                callers = [threading.Thread(target=ask) for _ in range(40)]
                for caller in callers:
                    caller.start()
                for caller in callers:
                    caller.join()
                assert gateway.process.poll() is None, "the kernel has killed it"
                backend.behave(PREDICT)
                gateway.wait_for(lambda: gateway.classify("m", BODY).status_code == 200, 30)
    finally:
        _remove(group)
    counted = {status: statuses.count(status) for status in sorted(set(statuses))}
    size = len(rows) >> 20
    measured(f"{len(statuses)} bodies of {size} MB in 600 MB: {counted}; the gateway lives, and answers afterwards")
    assert set(statuses) == {200, 503}


def _fill(file: Path) -> None:
    with suppress(OSError), file.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"0" * 512)


def _remove(group: Path) -> None:
    """A control group, when the last process has left it."""
    give_up = time.monotonic() + 30
    while (group / "cgroup.procs").read_text():
        assert time.monotonic() < give_up, "a process stays in the group"
        time.sleep(0.05)
    group.rmdir()
