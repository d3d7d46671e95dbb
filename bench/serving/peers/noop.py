"""The least that a Python HTTP server can do: read the body, answer the same bytes to everything.

The server is headwise's own: uvicorn with its `Connection`, set up as `headwise.server` does it.
BENCH_ANSWER: a file with the answer; BENCH_PORT: where to listen.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import uvicorn

from headwise.api.rest.connection import Connection

ANSWER = Path(os.environ["BENCH_ANSWER"]).read_bytes()
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(_scope: Any, receive: Any, send: Any) -> None:
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


if __name__ == "__main__":
    uvicorn.run(
        app,
        http=Connection,
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
    )
