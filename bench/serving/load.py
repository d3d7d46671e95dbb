"""The load generator: wrk, the same for every HTTP server.

Closed loop: each connection sends its next request when the answer is there.

Open loop at a fixed rate: many connections, each of which waits a random (exponential) time before its next request, so
that requests arrive as from many users who do not know of each other (Poisson) and do not wait for a slow answer. Of
what Debian, PyPI and npm offer this comes nearest: h2load's --rps sends what is due in bursts, at best every 10 ms, all
connections at the same moment, so that what it measures at high rates is its own bursts; httperf opens a connection for
each session and has no percentiles; hey has no way to spread its workers; autocannon needs more than one of two cores.

wrk corrects its percentiles for requests that a stalled answer kept back ("coordinated omission") in both.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.subjects import Body

OPEN_CONNECTIONS = 200
"""Of an open loop: so many requests may be under way before one waits for an answer."""
_LONGEST_MEAN = 0.5
"""Seconds that a connection pauses on average, at most: servers close those that are silent for five."""

SCRIPT = """
local file = assert(io.open("%(body)s", "rb"))
wrk.method, wrk.body = "POST", file:read("*a")
file:close()
%(headers)s
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\nFIGURES {"requests": %%d, "seconds": %%.6f, "p50_ms": %%.4f, "p90_ms": %%.4f, ' ..
    '"p99_ms": %%.4f, "max_ms": %%.4f, "errors": {"connect": %%d, "read": %%d, "write": %%d, "status": %%d, ' ..
    '"timeout": %%d}}\\n', summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(90) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3, e.connect, e.read, e.write, e.status, e.timeout))
end
"""

PAUSES = """
function init(args) math.randomseed(1) end
function delay() return math.floor(-math.log(1 - math.random()) * %(pause_ms).3f + 0.5) end
"""


class LoadError(Exception):
    """wrk could not be run."""


@dataclass(frozen=True)
class Load:
    """What one run of the generator saw; times in milliseconds, rate in requests a second.

    errors: those with any by kind ("status" are answers beyond 399); a run with errors counts for nothing.
    """

    requests: int
    seconds: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    errors: dict[str, int]

    @property
    def rate(self) -> float:
        return self.requests / self.seconds if self.seconds else 0.0


def closed(url: str, body: Body, connections: int, seconds: float) -> Load:
    """A closed loop over so many connections.

    Raises: LoadError.
    """
    return _run(url, body, connections, seconds, "")


def opened(url: str, body: Body, rate: float, seconds: float, answer_s: float) -> Load:
    """An open loop at `rate` requests a second; answer_s: how long an answer takes, about, which pauses make up for.

    Raises: LoadError.
    """
    connections = min(OPEN_CONNECTIONS, math.ceil(rate * (_LONGEST_MEAN + answer_s)))
    pause_ms = max(0.0, connections / rate - answer_s) * 1e3
    return _run(url, body, connections, seconds, PAUSES % {"pause_ms": pause_ms})


def _run(url: str, body: Body, connections: int, seconds: float, pauses: str) -> Load:
    program = shutil.which("wrk")
    if program is None:
        raise LoadError("wrk is not installed: `make bench` installs it, or apt-get install wrk")
    with tempfile.TemporaryDirectory() as scratch:
        content, script = Path(scratch, "body"), Path(scratch, "post.lua")
        content.write_bytes(body.content)
        script.write_text(lua(body, content) + pauses, "utf-8")
        command = [
            program,
            "-t1",
            f"-c{connections}",
            f"-d{seconds:.0f}s",
            "--timeout",
            "30s",
            "-s",
            str(script),
            url + body.path,
        ]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if ended.returncode:
        raise LoadError(f"{' '.join(command)} ended with {ended.returncode}: {ended.stderr or ended.stdout}")
    return parsed(ended.stdout)


def lua(body: Body, content: Path) -> str:
    """The script that makes wrk send a body and print its figures."""
    headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in body.headers.items())
    return SCRIPT % {"body": content, "headers": headers}


def parsed(output: str) -> Load:
    """The figures in what wrk printed.

    Raises: LoadError if there are none.
    """
    lines = [line for line in output.splitlines() if line.startswith("FIGURES ")]
    if len(lines) != 1:
        raise LoadError(f"no figures in what wrk printed:\n{output}")
    figures: dict[str, Any] = json.loads(lines[0].removeprefix("FIGURES "))
    errors = {kind: count for kind, count in figures["errors"].items() if count}
    kept = ("requests", "seconds", "p50_ms", "p90_ms", "p99_ms", "max_ms")
    return Load(**{name: figures[name] for name in kept}, errors=errors)
