"""What operators ask: health, the list of models, head cards, metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.datastructures import QueryParams
from starlette.responses import Response

from headwise.access.scopes import EVERY
from headwise.api import listing
from headwise.api.rest import documentation
from headwise.api.rest.reliability import reliability
from headwise.gateway import Gateway
from headwise.repository.model_spec import ModelSpec
from headwise.repository.snapshot import Model
from headwise.telemetry.metrics import Metrics


class Operations:
    """Handlers that read the repository's snapshot; none of them calls the model server but for a label."""

    def __init__(self, gateway: Gateway, metrics: Metrics, *, required: frozenset[str]) -> None:
        self._gateway = gateway
        self._metrics = metrics
        self._required = required
        self.draining = False

    def livez(self) -> Response:
        """The process answers."""
        return _json({"live": True})

    def readyz(self) -> Response:
        """200 when the model server answers, every model is settled and every required one is ready."""
        reason = "draining" if self.draining else self._gateway.repository.snapshot.unready(self._required)
        if reason is not None and not self.draining and not self._gateway.shows_all:
            reason = "not ready"  # who may not know of all learns no names
        models = {name: _readiness(model) for name, model in self._gateway.shown.models.items()}
        return _json({"ready": reason is None, "reason": reason, "models": models}, 200 if reason is None else 503)

    def metrics(self, accept: str) -> Response:
        """Prometheus's text format, or OpenMetrics where it is accepted."""
        self._gateway.allow("admin", EVERY)
        body, content_type = self._metrics.render(accept)
        return Response(body, headers={"content-type": content_type})

    def models(self) -> Response:
        """Every model with its versions, their states and heads."""
        return _json(listing.models(self._gateway.shown))

    async def head(self, spec: ModelSpec, *, timeout: float) -> Response:
        """The card as it stands in its file; the digest is its ETag.

        Raises: as Gateway.resolve; HeadConfigError, HeadNotFoundError where there is no valid card.
        """
        model = await self._gateway.resolve(spec, timeout=timeout)
        card = model.valid_card()
        headers = {"ETag": f'"{card.digest}"', "X-Model-Version": str(model.version)}
        return Response(card.document, headers=headers, media_type="application/json")

    async def reliability(self, spec: ModelSpec, query: QueryParams, accept: str, *, timeout: float) -> Response:
        """The reliability diagrams that the card stores.

        Raises: as `head`; as `reliability.reliability`.
        """
        return reliability(await self._gateway.resolve(spec, timeout=timeout), query, accept)


@dataclass(frozen=True, slots=True)
class Operation:
    """What is asked every few seconds, on a port of its own where there is one. open: anybody may ask.

    answer: to a request with such an Accept header.
    """

    path: str
    answer: Callable[[Operations, str], Response]
    documentation: Mapping[str, Any]
    open: bool

    @property
    def name(self) -> str:
        """As the route has it."""
        return self.path.removeprefix("/")


OPERATIONS = (
    Operation("/livez", lambda of, _: of.livez(), documentation.LIVEZ, open=True),
    Operation("/readyz", lambda of, _: of.readyz(), documentation.READYZ, open=True),
    Operation("/metrics", Operations.metrics, documentation.METRICS, open=False),
)
METRICS = OPERATIONS[-1]
METHODS = ("GET", "HEAD")
"""Load balancers ask for health by either; the server leaves a body of HEAD out."""


def _json(document: object, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")


def _readiness(model: Model) -> dict[str, Any]:
    code, reason = model.problem or (None, None)
    return {
        "ready": model.ready,
        "versions": [version.status.version for version in model.versions if version.admitted],
        "reason": reason,
        "code": code,
    }
