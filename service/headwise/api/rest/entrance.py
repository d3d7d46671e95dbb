"""Whether an HTTP request is let in."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Scope

from headwise.access.access import Access
from headwise.access.caller import presented
from headwise.api.rest.documentation import DOCUMENT, PAGE, ROOT
from headwise.api.rest.exchange import Exchange
from headwise.api.rest.operations import OPERATIONS
from headwise.api.rest.refusals import refusal_at
from headwise.api.rest.route_table import RouteTable
from headwise.api.rest.v2.routes import LIVE, READY
from headwise.errors import HeadwiseError

AUTHENTICATED = "headwise.authenticated"
"""In a scope: who asks was let in already, and counted."""

OPEN = frozenset({*(one.path for one in OPERATIONS if one.open), LIVE, READY, ROOT, PAGE, DOCUMENT})
"""What anybody may ask: health, of which nobody unknown learns a name, and pages that are the same for everyone."""


class Entrance:
    """Lets in who shows a credential; what is open lets everybody in, and hears who it is all the same."""

    def __init__(self, access: Access, routes: RouteTable) -> None:
        self._access = access
        self._routes = routes

    def refusal(self, scope: Scope, exchange: Exchange) -> Response | None:
        """The answer to a request that is not let in."""
        if AUTHENTICATED in scope:
            return None
        headers = exchange.headers
        credentials = presented(headers.find(b"authorization"), headers.find(b"x-api-key"))
        if exchange.path in OPEN:
            self._access.show(credentials)
            return None
        try:
            self._access.authenticate(credentials)
        except HeadwiseError as error:
            exchange.verb, exchange.model = self._routes.call(exchange.path)
            return refusal_at(exchange.path, exchange.request_id, error)
        return None
