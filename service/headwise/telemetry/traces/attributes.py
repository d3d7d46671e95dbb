"""What spans say, by OpenTelemetry's semantic conventions, and under `headwise.` what those have no name for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from opentelemetry.trace import Span, StatusCode

from headwise.telemetry.requests import LONGEST, Answered

Attributes: TypeAlias = Mapping[str, str | int]

GRPC_STATUS = "rpc.response.status_code"
FAILED = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""Of a server's gRPC statuses those that are its own failures; the others are the caller's."""
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "CONNECT", "TRACE"})


def of_http(method: str, path: str, scheme: str, route: str | None) -> dict[str, str]:
    """Of a request over HTTP, when it begins; never its query, which may hold a key."""
    known = {"url.scheme": scheme, "url.path": path[:LONGEST], **of_route(route)}
    if method in _METHODS:
        return {"http.request.method": method, **known}
    return {"http.request.method": "_OTHER", "http.request.method_original": method[:LONGEST], **known}


def http_name(method: str, route: str | None) -> str:
    """By the route, which is one of few, never by the path."""
    shown = method if method in _METHODS else "HTTP"
    return shown if route is None else f"{shown} {route}"


def of_route(route: str | None) -> dict[str, str]:
    """The route, where it is known."""
    return {} if route is None else {"http.route": route}


def of_grpc(method: str) -> dict[str, str]:
    """Of a call; method: SERVICE/METHOD."""
    return {"rpc.system.name": "grpc", "rpc.method": method}


def of_target(target: str) -> dict[str, str | int]:
    """Where a model server listens: HOST:PORT or unix:PATH."""
    if target.startswith("unix:"):
        return {"server.address": target.removeprefix("unix:"), "network.transport": "unix"}
    host, _, port = target.rpartition(":")
    return {"server.address": host.strip("[]"), "server.port": int(port)}


def of_answer(request: Answered) -> dict[str, str | int]:
    """Of a request that has been answered; of the answer itself nothing, nor of an error's text."""
    trail = request.trail
    told: dict[str, str | int | None] = {
        ("http.response.status_code" if request.path is not None else GRPC_STATUS): request.status,
        "headwise.request_id": request.request_id,
        "headwise.verb": request.verb,
        "headwise.model": request.model[:LONGEST] or None,
        "headwise.model.version": None if trail is None else trail.version,
        "headwise.rows": None if trail is None else trail.rows,
        "headwise.error.code": None if trail is None else trail.code,
    }
    return {name: value for name, value in told.items() if value is not None}


def failure(request: Answered) -> str | None:
    """The error's code, or its status, where it was the gateway's failure or the model server's, not the caller's."""
    status = request.status
    if status not in FAILED if isinstance(status, str) else status < 500:
        return None
    code = None if request.trail is None else request.trail.code
    return code or str(status)


def fail(span: Span, kind: str) -> None:
    """Say that it failed, and how; not in an error's words, which may quote what a caller sent."""
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)
