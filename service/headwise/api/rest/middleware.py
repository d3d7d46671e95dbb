"""Around every HTTP request: its id, its body within limits, its metric, its log line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from headwise.api.rest.exchange import CLOSED, Exchange
from headwise.telemetry.metrics import OTHER, Metrics

_PROBES = frozenset({"/livez", "/readyz", "/metrics"})
"""Asked every few seconds: their lines would drown the others."""


class Envelope:
    """ASGI middleware; handlers find the request's `Exchange` in scope["headwise.exchange"]."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        *,
        max_body_bytes: int,
        is_model: Callable[[str], bool],
        cors: bool = False,
    ) -> None:
        self._app = app
        self._cors = cors
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._is_model = is_model
        self._log = structlog.get_logger(__name__).bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        exchange = Exchange(scope, receive, send, limit=self._max_body_bytes, cors=self._cors)
        scope["headwise.exchange"] = exchange
        task = asyncio.current_task()
        assert task is not None
        exchange.listen(task, asyncio.get_running_loop())
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            exchange.status = CLOSED
        except asyncio.CancelledError:
            if not exchange.gone:
                raise
            task.uncancel()
            exchange.status = CLOSED
        except Exception:  # noqa: BLE001  # the boundary: the application has answered, nothing may reach the server
            self._log.exception("internal error", request_id=exchange.request_id, path=exchange.path)
            exchange.status = 500
        finally:
            exchange.close()
            self._record(exchange, scope["method"], time.perf_counter() - started)

    def _record(self, exchange: Exchange, method: str, seconds: float) -> None:
        model = exchange.model
        self._metrics.observe(
            surface="http",
            verb=exchange.verb or OTHER,
            model=model if not model or self._is_model(model) else OTHER,
            status=str(exchange.status),
            seconds=seconds,
        )
        log = self._log.debug if exchange.path in _PROBES else self._log.info
        log(
            "request",
            request_id=exchange.request_id,
            method=method,
            path=exchange.path,
            status=exchange.status,
            milliseconds=round(seconds * 1000, 2),
        )
