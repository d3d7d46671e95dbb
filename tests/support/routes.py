"""The routes of HTTP, as the router itself has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

_PLACES = {"{model}": "tumor", "{version}": "1", "{label}": "stable"}


def routed(router: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path of every route, but of the mount that takes the rest."""

    def of(found: list[Any]) -> Iterator[tuple[str, str]]:
        for route in found:
            if (inner := getattr(route, "original_router", None)) is not None:
                yield from of(inner.routes)
            elif route.path:
                yield from ((method, getattr(route, "path_format", route.path)) for method in route.methods)

    return of(router.router.routes)


def filled(path: str, model: str = "tumor") -> str:
    """A path with a model, its version 1 and its label stable."""
    for place, value in {**_PLACES, "{model}": model}.items():
        path = path.replace(place, value)
    return path
