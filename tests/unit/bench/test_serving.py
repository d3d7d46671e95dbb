"""The pure parts of the benchmark of the gateway: what it reads, counts and concludes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import load, processes, subjects
from serving.criteria import CRITERIA, best_peer, over
from serving.load import Load, LoadError
from serving.peers.head import Head
from serving.processes import Server, ServerError
from serving.report import page
from serving.stage import figures
from serving.tables import LAYOUTS, median, number, spread, table
from serving.turns import Cell, Turn

PRINTED = """Running 1s test @ http://127.0.0.1:1/classify
  1 threads and 64 connections

FIGURES {"requests": 200, "seconds": 2.0, "bytes": 9, "p50_ms": 1.5, "p90_ms": 2.5, "p99_ms": 9.75, "max_ms": 12.0, \
"errors": {"connect": 0, "read": 0, "write": 0, "status": %d, "timeout": 0}}
"""


def record(side: str, rate: float, **more: Any) -> dict[str, Any]:
    timed = {"p50_ms": 1.0, "p90_ms": 2.0, "p99_ms": 3.0, "max_ms": 4.0, "cpu_us": 5.0}
    about = {"experiment": "closed", "subject": "tumor", "connections": 64, "workers": "1", "cores": 2}
    return {**about, "side": side, "rate": rate, **timed, **more}


def test_what_wrk_prints_is_read() -> None:
    read = load.parsed(PRINTED % 0)
    assert (read.requests, read.p50_ms, read.p99_ms, read.rate, read.errors) == (200, 1.5, 9.75, 100.0, {})


def test_a_run_with_errors_fails_its_row() -> None:
    found = figures(load.parsed(PRINTED % 3), cpu_s=0.1)
    assert found["failed"] == "3 status"
    rows = table([{**record("headwise", 1.0), **found}], LAYOUTS["closed"][1]).splitlines()
    assert "FAILED: 3 status" in rows[2]


def test_a_run_without_an_answer_fails() -> None:
    assert figures(Load(0, 1.0, 0, 0, 0, 0, {}), cpu_s=0.0)["failed"] == "no answer"


def test_output_without_figures_is_refused() -> None:
    with pytest.raises(LoadError, match="no figures"):
        load.parsed("unable to connect to 127.0.0.1:1")


def test_cpu_time_is_that_of_a_request() -> None:
    assert figures(load.parsed(PRINTED % 0), cpu_s=0.1)["cpu_us"] == pytest.approx(500.0)


def test_the_time_of_children_that_ended_counts_and_a_name_may_hold_anything() -> None:
    fields = " ".join(map(str, range(3, 53)))
    assert processes.ticks(f"12 (a b) S 1) {fields}") == 14 + 15 + 16 + 17
    assert processes.ticks("") == 0


def busy(seconds: float) -> str:
    return f"import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass\n"


def test_cpu_time_is_that_of_the_whole_tree(tmp_path: Path) -> None:
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy(0.3)!r}])"
    program = (
        f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {child!r}])\nprint('done', flush=True)\n"
    )
    with Server("s", [sys.executable, "-c", program + "time.sleep(30)"], tmp_path / "log", {}, tmp_path) as server:
        processes.wait_until(lambda: "done" in server.tail(), server, 20)
        assert server.cpu_seconds() >= 0.3


def test_a_server_ends_with_all_that_it_started(tmp_path: Path) -> None:
    left_behind = "import os, time\nif os.fork():\n  os._exit(0)\nprint('pid', os.getpid(), flush=True)\ntime.sleep(60)"
    program = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {left_behind!r}]); time.sleep(60)"
    with Server("s", [sys.executable, "-c", program], tmp_path / "log", {}, tmp_path) as server:
        processes.wait_until(lambda: "pid" in server.tail(), server, 20)
        orphan = int(server.tail().split()[1])
        assert orphan in server.pids
    assert not Path(f"/proc/{orphan}/cmdline").exists() or not Path(f"/proc/{orphan}/cmdline").read_bytes()


def test_a_frozen_server_takes_no_time(tmp_path: Path) -> None:
    program = "print('up', flush=True)\nwhile True: pass"
    with Server("s", [sys.executable, "-c", program], tmp_path / "log", {}, tmp_path) as server:
        processes.wait_until(lambda: "up" in server.tail(), server, 20)
        server.freeze()
        time.sleep(0.05)
        before = server.cpu_seconds()
        time.sleep(0.2)
        assert server.cpu_seconds() == before
        server.thaw()
        processes.wait_until(lambda: server.cpu_seconds() > before, server, 20)


def test_a_server_that_ended_is_told_with_its_log(tmp_path: Path) -> None:
    program = "print('no such port')"
    with (
        Server("s", [sys.executable, "-c", program], tmp_path / "log", {}, tmp_path) as server,
        pytest.raises(ServerError, match=r"(?s)s is not running.*no such port"),
    ):
        processes.wait_until(lambda: False, server, 20)


def test_each_round_begins_with_another_side() -> None:
    records = Cell("", [Turn({"side": side}, dict) for side in "abc"]).records(rounds=3)
    assert "".join(record["side"] for record in records) == "abcbcacab"
    assert [record["round"] for record in records] == [0] * 3 + [1] * 3 + [2] * 3


def test_a_turn_that_cannot_be_run_is_a_failed_row_not_an_end() -> None:
    def fail() -> dict[str, Any]:
        raise LoadError("wrk ended with 1")

    (found,) = Cell("", [Turn({"side": "x"}, fail)]).records(1)
    assert found == {"side": "x", "round": 0, "failed": "wrk ended with 1"}


def test_medians_spreads_and_ratios_are_those_of_the_rounds() -> None:
    rounds = [record("headwise", rate) for rate in (900.0, 1000.0, 5000.0)]
    plain = [record("FastAPI gateway", 100.0)] * 3
    row = [cell.strip() for cell in table([*rounds, *plain], LAYOUTS["closed"][1]).splitlines()[2].split("|")[1:-1]]
    assert row == ["tumor", "64", "**headwise**", "1", "2", "1,000", "900..5,000", "1", "3", "5", "10x", "-"]


def test_one_failed_round_leaves_no_median() -> None:
    rounds = [record("a", 1.0), record("a", 2.0, failed="1 status")]
    assert median(rounds, "rate") is None
    assert spread(rounds, "rate") == "1..2"
    assert (number(None), number(0.01234), number(12345.6)) == ("-", "0.0123", "12,346")


def test_the_best_peer_is_no_limit() -> None:
    found = [record(side, rate) for side, rate in (("headwise", 500.0), ("no-op", 9000.0), ("direct gRPC", 800.0))]
    assert best_peer(found) is None
    assert best_peer([*found, record("LitServe", 100.0), record("MLServer", 50.0)]) == 5.0


def test_a_criterion_is_met_or_not_or_was_not_measured() -> None:
    first = CRITERIA[0]
    ours = record("headwise", 800.0)
    assert first.row([])[2:] == ["not measured", ""]
    assert first.row([ours, record("FastAPI gateway", 100.0)])[2:] == ["8x", "met"]
    assert first.row([ours, record("FastAPI gateway", 101.0)])[3] == "**not met**"
    assert over("rate", {"side": "a"}, {"side": "b"})([record("a", 6.0), record("b", 3.0)]) == 2.0


def test_the_page_names_who_was_left_out() -> None:
    text = page({"cores": 2}, [record("headwise", 1.0)], {"Ray Serve": "not installed:\n no wheel"}, ["a.svg"])
    assert "- Ray Serve: not installed: no wheel" in text
    assert "## Closed loop" in text
    assert "## Open loop" not in text


def test_bodies_hold_the_same_numbers_in_every_form() -> None:
    batch = np.array([[0.5, 2.0], [3.5, -4.0]])
    assert json.loads(subjects.as_json(batch, "/").content) == {"instances": [[0.5, 2.0], [3.5, -4.0]]}
    assert subjects.as_raw(batch, "/").headers["headwise-shape"] == "2,2"
    v2 = json.loads(subjects.as_v2(batch, "/", "x").content)["inputs"][0]
    assert (v2["shape"], v2["data"]) == ([2, 2], [0.5, 2.0, 3.5, -4.0])
    binary = subjects.as_v2_binary(batch, "/", "x")
    header = int(binary.headers["inference-header-content-length"])
    assert np.array_equal(np.frombuffer(binary.content[header:], "<f4").reshape(2, 2), batch)


@pytest.mark.parametrize(("units", "label"), [([[800.0]], "yes"), ([[-800.0]], "no"), ([[1.0, 900.0]], "yes")])
def test_the_peers_head_maths_does_not_overflow(units: list[list[float]], label: str) -> None:
    (answer,) = Head("linear", ("no", "yes")).answer(np.array(units, np.float32))
    assert answer["label"] == label
    assert sum(answer["probabilities"]) == pytest.approx(1.0)


def test_the_script_for_wrk_carries_headers() -> None:
    body = subjects.Body("/p", b"x", {"content-type": "a/b"})
    assert 'wrk.headers["content-type"] = "a/b"' in load.lua(body, Path("/body"))


@pytest.mark.parametrize("module", ["serving.plan", "speed"])
def test_the_benchmark_needs_no_tensorflow_to_start(module: str) -> None:
    program = f"import sys, {module}; sys.exit('tensorflow' in sys.modules)"
    bench = Path(__file__).parents[3] / "bench"
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(bench)}, check=True)
