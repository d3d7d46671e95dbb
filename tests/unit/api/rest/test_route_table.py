"""What is known of a path is what its first route says."""

import pytest
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from headwise.api.rest.route_table import RouteTable


async def _unused(_: Request) -> Response:
    raise AssertionError


@pytest.fixture
def table() -> RouteTable:
    router = APIRouter()
    for name, path, methods in (
        ("classify", "/models/{model}:classify", ["POST"]),
        ("change", "/models/{model}", ["PUT"]),
        ("status", "/models/{model}", ["GET"]),
        ("livez", "/livez", ["GET"]),
    ):
        router.add_route(path, _unused, name=name, methods=methods)
    return RouteTable(router.routes)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/models/m:classify", ("POST",)),
        ("/models/m", ("GET", "HEAD", "PUT")),
        ("/livez", ("GET", "HEAD")),
        ("/models", ()),
        ("/livez/", ()),
    ],
)
def test_a_path_takes_the_methods_of_its_routes(table: RouteTable, path: str, methods: tuple[str, ...]) -> None:
    assert table.methods(path) == methods


@pytest.mark.parametrize(
    ("path", "call"),
    [("/models/m:classify", ("classify", "m")), ("/livez", ("", "")), ("/nowhere", ("", ""))],
)
def test_a_call_has_the_verb_and_the_model_of_its_route(table: RouteTable, path: str, call: tuple[str, str]) -> None:
    assert table.call(path) == call
