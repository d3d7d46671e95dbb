"""Log lines: one an event, on standard error, as JSON or for people."""

import asyncio
import io
import json
import logging
import subprocess
import sys

import pytest

from headwise.telemetry.logs import Lines

EVENTS = """
import sys, structlog
from headwise.telemetry import logs
logs.configure(sys.argv[1], sys.argv[2], **dict(pair.split("=") for pair in sys.argv[3:]))
log = structlog.get_logger("headwise.test")
log.debug("quiet")
log.info("request", status=200)
try:
    1 / 0
except ZeroDivisionError:
    log.exception("internal error", request_id="id-1")
"""


def written(log_format: str, level: str, *always: str) -> list[str]:
    """What the events above write to standard error; a process of its own, as structlog is configured once."""
    ended = subprocess.run(
        [sys.executable, "-c", EVENTS, log_format, level, *always],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout == ""
    return ended.stderr.splitlines()


def test_json_lines_carry_time_level_and_the_traceback() -> None:
    request, error = (json.loads(line) for line in written("json", "info"))
    assert (request["event"], request["status"], request["level"]) == ("request", 200, "info")
    assert request["timestamp"].endswith("Z")
    assert (error["event"], error["request_id"]) == ("internal error", "id-1")
    assert "ZeroDivisionError" in error["exception"]


@pytest.mark.parametrize(("level", "events"), [("debug", 3), ("info", 2), ("warning", 1), ("error", 1)])
def test_the_level_decides_what_is_written(level: str, events: int) -> None:
    assert len(written("json", level)) == events


def test_what_is_always_so_stands_in_every_line() -> None:
    assert [json.loads(line)["worker"] for line in written("json", "info", "worker=2")] == ["2", "2"]


def test_lines_for_people_have_no_colours_in_a_file() -> None:
    request, *_ = written("console", "info")
    assert "request" in request
    assert "status=200" in request
    assert "\x1b" not in request


def lines(stream: io.StringIO) -> Lines:
    return Lines(stream, [lambda _, __, event: event["event"]], 20)


def test_outside_of_a_loop_a_line_is_written_at_once() -> None:
    stream = io.StringIO()
    lines(stream).info("one")
    assert stream.getvalue() == "one\n"


@pytest.mark.anyio
async def test_in_a_loop_lines_wait_for_others() -> None:
    stream = io.StringIO()
    log = lines(stream)
    log.info("one")
    log.tell("info", [{"event": "two"}, {"event": "three"}])
    log.tell("debug", [{"event": "quiet"}])
    assert stream.getvalue() == ""
    await asyncio.sleep(0.05)
    assert stream.getvalue() == "one\ntwo\nthree\n"


@pytest.mark.anyio
async def test_a_warning_goes_at_once_behind_what_was_told_before_it() -> None:
    stream = io.StringIO()
    log = lines(stream)
    log.info("one")
    log.warning("two")
    assert stream.getvalue() == "one\ntwo\n"


@pytest.mark.anyio
async def test_what_a_thread_tells_does_not_keep_the_loops_lines() -> None:
    stream = io.StringIO()
    log = lines(stream)
    log.info("one")
    await asyncio.to_thread(log.info, "two")
    log.info("three")
    await asyncio.sleep(0.05)
    log.info("four")
    await asyncio.sleep(0.05)
    assert stream.getvalue() == "one\ntwo\nthree\nfour\n"


def test_a_loop_that_ended_keeps_no_lines() -> None:
    stream = io.StringIO()
    log = lines(stream)

    async def tell(text: str, seconds: float) -> None:
        log.info(text)
        await asyncio.sleep(seconds)

    asyncio.run(tell("one", 0))
    asyncio.run(tell("two", 0.05))
    assert stream.getvalue() == "one\ntwo\n"


class Full(io.StringIO):
    """A file on a disk that is full."""

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_lines_that_cannot_be_written_are_counted_and_hurt_nobody() -> None:
    lost: list[int] = []
    lines = Lines(Full(), [], logging.INFO)
    lines.lost = lost.append
    lines.warning("one")
    lines.msg("two")
    assert lost == [1, 1]
