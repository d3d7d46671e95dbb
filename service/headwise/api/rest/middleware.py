"""Around every HTTP request: whether it is let in, its id, its body within limits, its metric, its log line."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from headwise.admission import Admission
from headwise.api.rest.entrance import Entrance
from headwise.api.rest.exchange import CLOSED, Exchange
from headwise.api.rest.operations import OPERATIONS
from headwise.api.rest.path_forms import route_of
from headwise.api.rest.watch import Watch
from headwise.api.timeouts import Timeouts
from headwise.telemetry import trail
from headwise.telemetry.metric_table import OTHER
from headwise.telemetry.requests import Answered, Requests

if TYPE_CHECKING:
    from headwise.telemetry.traces.tracing import Tracing

_log = structlog.get_logger(__name__)

_PROBES = frozenset(one.path for one in OPERATIONS)
"""Asked every few seconds: their lines would drown the others."""


class Envelope:
    """ASGI middleware; handlers find the request's `Exchange` in scope["headwise.exchange"].

    entrance: lets requests in; None lets in all.
    """

    def __init__(
        self,
        app: ASGIApp,
        requests: Requests,
        watch: Watch,
        *,
        max_body_bytes: int,
        timeouts: Timeouts,
        admission: Admission,
        cors: bool = False,
        entrance: Entrance | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._app = app
        self._tracing = tracing
        self._entrance = entrance
        self._cors = cors
        self._requests = requests
        self._max_body_bytes = max_body_bytes
        self._timeouts = timeouts
        self._admission = admission
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        exchange = Exchange(
            scope,
            receive,
            send,
            self._watch,
            limit=self._max_body_bytes,
            timeouts=self._timeouts,
            admission=self._admission,
            cors=self._cors,
        )
        scope["headwise.exchange"] = exchange
        tracing = self._tracing
        told = trail.begin() if tracing is None or exchange.path in _PROBES else tracing.http(scope, started)
        try:
            refusal = None if self._entrance is None else self._entrance.refusal(scope, exchange)
            await (refusal or self._app)(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            exchange.status = CLOSED
        except asyncio.CancelledError:
            gone = exchange.close()
            exchange.status = CLOSED
            if not gone:
                raise
        except Exception:  # noqa: BLE001  # the boundary: the application has answered, nothing may reach the server
            _log.exception("internal error", request_id=exchange.request_id)
            exchange.status = 500
        finally:
            exchange.close()
            if told.trace is not None and (known := route_of(scope)) is not None:
                told.trace.routed(scope["method"], known)
            seconds = time.perf_counter() - started
            # TensorFlow Serving takes a query for a part of the name, and it may hold a key.
            verb, model, status = exchange.verb or OTHER, exchange.model.partition("?")[0], exchange.status
            answered = Answered(
                verb, model, status, started, seconds, exchange.request_id, scope["method"], exchange.path, told
            )
            self._requests.answered(answered, quiet=exchange.path in _PROBES)
