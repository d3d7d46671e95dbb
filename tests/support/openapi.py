"""The OpenAPI document without a server, for naming cases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from headwise.api.rest.app import create_app
from headwise.telemetry.metrics import Metrics


def document() -> dict[str, Any]:
    """As /openapi.json has it."""
    gateway: Any = SimpleNamespace(access=None, admission=None)
    found: dict[str, Any] = create_app(gateway, Metrics(), timeout=1, max_body_bytes=1).router.openapi()
    return found


OPERATIONS = [(path, method) for path, methods in document()["paths"].items() for method in methods]
