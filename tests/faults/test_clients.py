"""Clients that send too much, go away, or take their time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from headwise.backends.base import PREDICT
from headwise.v1 import classification_service_pb2 as v1
from support import faulty_answers as faults
from support.gateway_process import GatewayProcess
from support.keep_alive import Caller, quantile
from support.standing import BODY, PATH, Measured, Standing, milliseconds, standing


def resident(at: Standing) -> int:
    """Bytes of memory that the gateway has had at most."""
    status = Path(f"/proc/{at.gateway.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.mark.fault(13)
@pytest.mark.parametrize("declared", [True, False], ids=["by its length", "by what comes"])
def test_a_body_of_a_gigabyte(
    tmp_path: Path, measured: Measured, declared: bool, request: pytest.FixtureRequest
) -> None:
    chunk = b"1," * 2**19

    def pieces() -> Iterator[bytes]:
        for _ in range(1024):
            yield chunk

    with standing(tmp_path) as at:
        before = resident(at)
        headers = {"content-length": str(2**30)} if declared else {}
        with contextlib.suppress(httpx.WriteError, httpx.ReadError):  # what is not read any more cannot be sent
            at.gateway.http.post(PATH, content=pieces(), headers=headers)
        at.gateway.wait_for(lambda: "code=payload-too-large status=413" in at.gateway.log)
        assert at.gateway.classify("control", BODY).status_code == 200
        grown = (resident(at) - before) / 2**20
    measured(f"1 GB, refused {request.node.callspec.id}: the gateway grew by {grown:.0f} MB (a body may have 16)")
    assert grown < 2 * 16 + 4


@pytest.mark.fault(13)
def test_a_message_that_is_too_large_over_grpc(tmp_path: Path, measured: Measured) -> None:
    with standing(tmp_path) as at:
        asked = v1.ClassifyRequest(model=v1.ModelSpec(name="m" * (20 * 2**20)))
        with grpc.insecure_channel(at.gateway.grpc, options=[("grpc.max_send_message_length", -1)]) as channel:
            call = channel.unary_unary("/headwise.v1.ClassificationService/Classify")
            with pytest.raises(grpc.RpcError) as refused:
                call(asked.SerializeToString(), timeout=20)
    measured(f"20 MB over gRPC: {refused.value.code().name}")
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.fault(13)
def test_many_rows_keep_their_order(tmp_path: Path, measured: Measured) -> None:
    rows = [[float(number % 7 - 3)] for number in range(300_000)]
    with standing(tmp_path) as at:
        answer = at.gateway.classify("m", {"instances": rows})
        assert answer.status_code == 200
        found = [one["label"] for one in answer.json()["predictions"]]
    measured(f"{len(rows)} rows in one body of {len(answer.request.content) >> 20} MB: all answered in their order")
    assert found == ["malignant" if row[0] >= 0 else "benign" for row in rows]


@pytest.mark.fault(14)
@pytest.mark.parametrize("lines", [False, True], ids=["one body", "lines"])
def test_a_client_that_goes_away(tmp_path: Path, measured: Measured, lines: bool) -> None:
    body, kind = (b"[1.0]\n" * 3, "application/x-ndjson") if lines else (BODY, "application/json")
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    with standing(tmp_path, log_format="json") as at:
        at.backend.behave(PREDICT, faults.never)
        before = at.process()
        took = []

        async def leave() -> None:
            _, writer = await asyncio.open_connection(*at.gateway.url.removeprefix("http://").split(":"))
            writer.write(head.encode() + body)
            await asyncio.sleep(0.4)
            began = time.perf_counter()
            writer.close()
            while at.backend.seen(PREDICT)[-1].ended is None:  # noqa: ASYNC110  # another thread has no event
                await asyncio.sleep(0.002)
            took.append(milliseconds(began))

        for _ in range(5):
            asyncio.run(leave())
        assert {call.ended for call in at.backend.seen(PREDICT)} == {"cancelled"}
        at.settle(before)
        at.gateway.wait_for(lambda: at.gateway.log.count('"status":499') == 5)
        assert '"level":"error"' not in at.gateway.log
    what = "a stream of lines: " if lines else ""
    measured(f"{what}the call of the model server is cancelled {max(took):.0f} ms later at most; status 499 in the log")
    measured.below(max(took), 200)


@pytest.mark.fault(14)
@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_ten_thousand_clients_that_go_away(tmp_path: Path, measured: Measured) -> None:
    with standing(tmp_path, log_level="warning") as at:
        at.backend.behave(PREDICT, faults.late(0.2))
        before = at.process()
        host, port = at.gateway.url.removeprefix("http://").split(":")
        message = (f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n").encode() + BODY

        async def leave() -> None:
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(message)
            await asyncio.sleep(0.05)
            writer.close()

        async def all_of_them() -> None:
            for _ in range(100):
                await asyncio.gather(*(leave() for _ in range(100)))

        asyncio.run(all_of_them())
        at.settle(before, 30)
        after = at.process()
        at.backend.behave(PREDICT)
        assert at.gateway.classify("m", BODY).status_code == 200
    measured(f"10,000 connections: files, tasks and requests in flight {before} before, {after} after")


@pytest.mark.fault(21)
def test_no_more_files_can_be_opened(tmp_path: Path, measured: Measured) -> None:
    """With 256 files, and four hundred connections that do nothing."""
    start = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)); "
        "sys.argv = ['headwise', *sys.argv[1:]]; runpy.run_module('headwise', run_name='__main__')"
    )
    with standing(tmp_path) as at:
        limited = (sys.executable, "-c", start)
        with GatewayProcess("--models", str(tmp_path), "--backend", at.backend.address, command=limited) as small:
            small.wait_ready()
            host, port = small.url.removeprefix("http://").split(":")
            idle = []
            for _ in range(400):
                one = socket.socket()
                one.settimeout(1)
                with contextlib.suppress(OSError):
                    one.connect((host, int(port)))
                idle.append(one)
            time.sleep(1)
            assert small.process.poll() is None, small.log
            for one in idle:
                one.close()
            began = time.perf_counter()

            def answers() -> bool:
                try:
                    return small.http.post(PATH, content=BODY).status_code == 200
                except httpx.HTTPError:
                    return False

            small.wait_for(answers, 20)
            back = milliseconds(began)
    measured(f"no crash; answering {back / 1000:.1f} s after the connections are gone")


SLOW = {
    "half a head": b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nX-A: ",
    "half a body": f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode() + b'{"instances": [',
}


@pytest.mark.fault(22)
def test_slow_clients_are_let_go_and_slow_down_nobody(tmp_path: Path, measured: Measured) -> None:
    with standing(tmp_path, header_timeout=1, body_timeout=2) as at:
        host, port = at.gateway.url.removeprefix("http://").split(":")

        async def latency(count: int = 1500) -> float:
            caller = Caller(at.gateway.url)
            seconds = [(await caller.post(PATH, BODY)).seconds for _ in range(count)]
            await caller.close()
            return quantile(seconds, 0.99)

        async def slow(start: bytes) -> tuple[float, bytes]:
            reader, writer = await asyncio.open_connection(host, int(port))
            began = time.perf_counter()
            writer.write(start)
            dripping = asyncio.create_task(drip(writer))
            answer = await reader.read()
            dripping.cancel()
            took = time.perf_counter() - began
            writer.close()
            return took, answer.split(b"\r\n")[0]

        async def drip(writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while True:
                    await asyncio.sleep(0.3)
                    writer.write(b"a")

        async def run() -> tuple[float, float, dict[str, list[tuple[float, bytes]]]]:
            await latency()
            alone = await latency()
            crowd = {name: [asyncio.create_task(slow(start)) for _ in range(100)] for name, start in SLOW.items()}
            await asyncio.sleep(0.2)
            beside = await latency()
            return alone, beside, {name: list(await asyncio.gather(*tasks)) for name, tasks in crowd.items()}

        alone, beside, ended = asyncio.run(run())
        before = at.process()
        at.settle(before)
    longest = {name: max(took for took, _ in ended[name]) for name in SLOW}
    texts = [f"{name}: {ended[name][0][1].decode()} after {longest[name]:.1f} s at most" for name in SLOW]
    measured(
        f"allowed 1 s for a head, 2 s for a body. {'; '.join(texts)}. Others beside 200 of them: p99 "
        f"{beside * 1000:.1f} ms, alone {alone * 1000:.1f}"
    )
    measured.below(longest["half a head"], 2.5)
    measured.below(longest["half a body"], 4)
    assert {line for _, line in ended["half a body"]} == {b"HTTP/1.1 408 Request Timeout"}


@pytest.mark.fault(22)
def test_a_client_that_does_not_read_its_answer(tmp_path: Path, measured: Measured) -> None:
    rows = b'{"instances": [' + b",".join([b"[1.0]"] * 100_000) + b"]}"
    with standing(tmp_path, write_timeout=1) as at:
        host, port = at.gateway.url.removeprefix("http://").split(":")
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect((host, int(port)))
            reader.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(rows)}\r\n\r\n".encode() + rows)
            began = time.perf_counter()
            at.gateway.wait_for(lambda: _connections(at, reader.getsockname()[1]) == 0, 15)
            took = milliseconds(began)
        assert at.gateway.classify("control", BODY).status_code == 200
    measured(f"allowed 1 s: its connection is ended after {took / 1000:.1f} s")
    measured.below(took, 6000)


def _connections(at: Standing, port: int) -> int:
    """How many established connections the gateway has with a port of this machine."""
    ends = f":{port:04X}"
    lines = Path(f"/proc/{at.gateway.process.pid}/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[2].endswith(ends) and line.split()[3] == "01" for line in lines)
