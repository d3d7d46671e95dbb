"""What others log comes out as lines like headwise's own, and says nothing of the values that they hold."""

import json
import subprocess
import sys
from typing import Any

import pytest

BEGIN = """
import asyncio, gc, logging, threading, warnings
from headwise.telemetry import logs
logs.configure("json", "debug", worker=2)
"""
NEVER_RETRIEVED = """
async def fail(value):
    raise ValueError(f"no number: {value}")
async def main():
    asyncio.get_running_loop().create_task(fail("secret"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()
asyncio.run(main())
"""
CALLBACK = """
def fail(value):
    raise ValueError(value)
async def main():
    asyncio.get_running_loop().call_soon(fail, "secret")
    await asyncio.sleep(0.01)
asyncio.run(main())
"""
LOGGED = """
try:
    int("secret")
except ValueError:
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\\n", exc_info=True)
"""
THREAD = """
thread = threading.Thread(target=int, args=("secret",), name="reader")
thread.start()
thread.join()
"""
UNRAISABLE = """
class Bad:
    def __del__(self):
        raise ValueError("secret")
Bad()
"""
CASES = [
    ('logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")', "Invalid HTTP request received."),
    ('logging.getLogger("a").warning("one\\n{\\"event\\": \\"secret\\"}")', "one"),
    ('logging.getLogger("a").error("x" * 10_000)', "x" * 300),
    ('warnings.warn("old")', "<string>:5: UserWarning: old"),
    (LOGGED, "Exception in ASGI application"),
    (NEVER_RETRIEVED, "Task exception was never retrieved"),
    (CALLBACK, "Exception in callback fail"),
    (THREAD, "a thread ended by an error"),
    (UNRAISABLE, "an error that could not be raised"),
]


def written(code: str) -> list[dict[str, Any]]:
    ended = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == ""
    assert "secret" not in ended.stderr
    return [json.loads(line) for line in ended.stderr.splitlines()]


@pytest.mark.parametrize(("code", "event"), CASES, ids=[event[:20] for _, event in CASES])
def test_it_is_one_line_without_values(code: str, event: str) -> None:
    (line,) = written(code)
    assert (line["event"], line["worker"]) == (event, 2)
    assert line["level"] in ("warning", "error")


def test_an_error_comes_with_its_place_and_kind() -> None:
    (line,) = written(LOGGED)
    assert "builtins.ValueError" in line["exception"]
    assert line["logger"] == "uvicorn.error"


def test_below_a_warning_nobody_is_heard() -> None:
    assert written('logging.getLogger("a").info("quiet"); logging.getLogger("asyncio").debug("quiet")') == []
