"""What the router's routes say of a path that the router itself does not answer."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import BaseRoute, Route


class RouteTable:
    """Routes in the router's order; those of a call are named as its verb."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes = tuple(route for route in routes if isinstance(route, Route))

    def methods(self, path: str) -> tuple[str, ...]:
        """The methods that a path takes, in order; none where it is not there."""
        found = self._find(path)
        return tuple(sorted({method for route in found for method in route.methods or ()}))

    def call(self, path: str) -> tuple[str, str]:
        """Verb and model; empty where the path names no model."""
        for route in self._find(path):
            model = route.path_regex.match(path)
            if model is not None and "model" in model.groupdict():
                return route.name, model["model"]
        return "", ""

    def _find(self, path: str) -> list[Route]:
        """The routes of one path, a method each; where a path fits several, of the first."""
        first = next((route for route in self._routes if route.path_regex.match(path)), None)
        return [] if first is None else [route for route in self._routes if route.path == first.path]
