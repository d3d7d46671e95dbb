"""Every route of HTTP, whoever asks: the list is the router's own, so no route can be forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from headwise.access.scopes import VERBS
from headwise.api.rest.app import RestSurface, create_app
from headwise.telemetry.metrics import Metrics
from support.access import NOW, Keys, bearer
from support.in_memory_gateway import BINARY, Models
from support.keys_of_routes import ADMIN, ANY_KEY, NO_KEY, ROUTES, UNROUTED
from support.routes import filled, routed

pytestmark = pytest.mark.anyio

EVIDENCE = {"output_0": {"rows": 3}}
ROWS = {"instances": [[2.0]]}
EXAMPLES = {"examples": [{"x": 2.0}]}
V2 = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [2.0]}]}


@dataclass
class House:
    """A gateway of two models that asks for keys."""

    keys: Keys
    surface: RestSurface

    async def ask(self, method: str, path: str, key: str | None = None, **options: Any) -> httpx.Response:
        """Ask with a key, or with none."""
        headers = {**({} if key is None else bearer(key)), **options.pop("headers", {})}
        app = self.surface.admin if options.pop("admin", False) else self.surface.app
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.request(method, path, headers=headers, **options)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as found:
        yield found


@asynccontextmanager
async def opened(folder: Path, **options: Any) -> AsyncIterator[House]:
    models, keys = Models(folder), Keys()
    for name in ("tumor", "secret"):
        models.add(name, {"output_0": BINARY}, evidence=EVIDENCE)
        models.backend.labels[name] = {"stable": 1}
    gateway = await models.gateway(access=keys.access())
    yield House(keys, create_app(gateway, Metrics(), timeout=5, max_body_bytes=4096, **options))


def body(path: str) -> Any:
    if path.endswith("/infer"):
        return V2
    return EXAMPLES if path.endswith(":regress") else ROWS


async def test_every_route_of_the_router_says_what_it_needs(house: House) -> None:
    assert {*routed(house.surface.router), *UNROUTED} == ROUTES.keys()


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part.replace("{", "").replace("}", ""))
async def test_a_route_answers_who_has_its_scope_and_nobody_else(house: House, method: str, path: str) -> None:
    needs, keys = ROUTES[method, path], house.keys
    asked, options = filled(path), {"json": body(path)} if method == "POST" else {}
    known = keys.add("model:*:*")
    wrong = known[:-1] + ("A" if known[-1] != "A" else "B")
    nobody = [None, wrong, "hw_aaaaaaaa_" + "A" * 43, "nonsense", "", keys.add("model:*:*", expires=NOW)]
    others = [f"model:tumor:{verb}" for verb in VERBS if verb != needs]
    of_all = "*" if needs == ADMIN and "{model}" not in path else "tumor"
    right = keys.add("model:nothing:admin") if needs in (NO_KEY, ANY_KEY) else keys.add(f"model:{of_all}:{needs}")
    poor = keys.add("model:secret:*", "model:tumo:*", "model:tumors:*", *others)

    await house.ask(method, asked, known, **options)  # what one caller was answered opens nothing to the next
    for key in nobody:
        answer = await house.ask(method, asked, key, **options)
        assert (answer.status_code == 401) is (needs != NO_KEY), answer.text
        assert answer.headers.get("www-authenticate") == (None if needs == NO_KEY else "Bearer")
    answer = await house.ask(method, asked, poor, **options)
    assert (answer.status_code == 403) is (needs not in (NO_KEY, ANY_KEY)), answer.text
    for key in (right, known):
        answer = await house.ask(method, asked, key, **options)
        assert answer.status_code not in (401, 403, 500), answer.text
        by_name = await house.ask(method, asked, headers={"x-api-key": key}, **options)
        assert by_name.status_code == answer.status_code


@pytest.mark.parametrize(
    ("method", "path"),
    [route for route, needs in ROUTES.items() if needs not in (NO_KEY, ANY_KEY) and "{model}" in route[1]],
)
async def test_who_may_not_ask_for_a_model_learns_not_whether_it_is_there(house: House, method: str, path: str) -> None:
    key, options = house.keys.add("model:other*:*"), {"json": body(path)} if method == "POST" else {}
    there, nowhere = [
        await house.ask(method, filled(path, name), key, headers={"x-request-id": "r"}, **options)
        for name in ("secret", "absent")
    ]
    assert there.status_code == nowhere.status_code == 403
    assert there.text.replace("secret", "absent") == nowhere.text
    assert there.headers.keys() == nowhere.headers.keys()


async def test_who_misspells_a_name_learns_no_other(house: House) -> None:
    key = house.keys.add("model:secre*:predict", "model:tumo*:*")
    answer = await house.ask("POST", "/v1/models/secre:classify", key, json=ROWS)
    assert answer.status_code == 404
    assert "'secret'" not in answer.text
    assert "tumor" in (await house.ask("GET", "/v2/models/tumo", key)).text


@pytest.mark.parametrize("path", ["/v1/models", "/v2/models", "/v2/repository/index", "/readyz"])
async def test_lists_show_what_the_key_may_know_of(house: House, path: str) -> None:
    method = "POST" if path.endswith("index") else "GET"
    all_of_it = (await house.ask(method, path, house.keys.add("model:*:metadata"))).text
    a_part = (await house.ask(method, path, house.keys.add("model:tumor:metadata", "model:secret:predict"))).text
    assert "tumor" in all_of_it
    assert "secret" in all_of_it
    assert "tumor" in a_part
    assert "secret" not in a_part


@pytest.mark.parametrize("key", [None, "hw_aaaaaaaa_" + "A" * 43, "poor"])
async def test_health_tells_strangers_whether_and_not_what(tmp_path: Path, key: str | None) -> None:
    models, keys = Models(tmp_path), Keys()
    models.add("secret", {"output_0": {**BINARY, "activation": "softmax"}})
    surface = create_app(
        await models.gateway(access=keys.access()),
        Metrics(),
        timeout=5,
        max_body_bytes=4096,
        required_models=frozenset({"secret"}),
    )
    house = House(keys, surface)
    shown = keys.add("model:other:*") if key == "poor" else key
    answer = await house.ask("GET", "/readyz", shown)
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "reason": "not ready", "models": {}})
    assert (await house.ask("GET", "/v2/health/ready", shown)).json() == {"ready": False}
    everything = await house.ask("GET", "/readyz", keys.add("model:*:metadata"))
    assert everything.json()["reason"] == "required and not ready: secret"


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        ("/v1/models/tumor:classify", "application/problem+json"),
        ("/v1/models/tumor/head", "application/problem+json"),
        ("/v1/models", "application/problem+json"),
        ("/nowhere", "application/problem+json"),
        ("/v1/models/tumor:predict", "application/json"),
        ("/v1/models/tumor/metadata", "application/json"),
        ("/v2/models/tumor/infer", "application/json"),
    ],
)
async def test_a_refusal_has_the_form_of_its_path(house: House, path: str, type_: str) -> None:
    answer = await house.ask("POST", path, json=ROWS)
    assert (answer.status_code, answer.headers["content-type"]) == (401, type_)
    document = answer.json()
    assert document.keys() == {"error"} or document["code"] == "unauthenticated"
    assert "Authorization: Bearer KEY" in answer.text


async def test_it_is_401_before_429_before_403(house: House) -> None:
    key = house.keys.add("model:tumor:metadata", rate="1/hour")
    forbidden = await house.ask("POST", "/v1/models/secret:classify", key, json=ROWS)
    assert forbidden.status_code == 403
    limited = await house.ask("POST", "/v1/models/secret:classify", key, json=ROWS)
    assert limited.status_code == 429
    assert 3590 <= int(limited.headers["retry-after"]) <= 3600
    house.keys.revoke(key)
    assert (await house.ask("POST", "/v1/models/secret:classify", key, json=ROWS)).status_code == 401


@pytest.mark.parametrize("path", ["/v1/models/tumor:classify", "/v1/models/tumor:predict", "/v2/models/tumor/infer"])
async def test_a_request_counts_once_whichever_way_it_goes(house: House, path: str) -> None:
    large = {"instances": [[2.0]] * 3000}  # the short way looks at it, and leaves it to the long one
    for content in (body(path), large if path.endswith("classify") else body(path)):
        key = house.keys.add("model:tumor:predict", rate="2/day")
        statuses = [(await house.ask("POST", path, key, json=content)).status_code for _ in range(3)]
        assert statuses == [statuses[0], statuses[0], 429]
        assert statuses[0] != 429


async def test_health_costs_no_rate(house: House) -> None:
    key = house.keys.add("model:*:*", rate="1/day")
    for _ in range(3):
        assert (await house.ask("GET", "/readyz", key)).status_code == 200


async def test_a_key_that_is_revoked_or_ends_stops_at_once(house: House) -> None:
    revoked, ending = house.keys.add("model:*:*"), house.keys.add("model:*:*", expires=NOW + timedelta(seconds=5))
    for key in (revoked, ending):
        assert (await house.ask("POST", "/v1/models/tumor:classify", key, json=ROWS)).status_code == 200
    house.keys.revoke(revoked)
    house.keys.now += timedelta(seconds=5)
    for key in (revoked, ending):
        answer = await house.ask("POST", "/v1/models/tumor:classify", key, json=ROWS)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_stream_of_lines_ends_with_its_key(house: House) -> None:
    key = house.keys.add("model:tumor:predict")

    async def lines() -> AsyncIterator[bytes]:
        yield b"[2.0]\n" * 2000
        house.keys.revoke(key)
        yield b"[2.0]\n" * 2000

    answer = await house.ask(
        "POST",
        "/v1/models/tumor:classify",
        key,
        content=lines(),
        headers={"content-type": "application/x-ndjson"},
    )
    assert answer.status_code == 200
    assert "malignant" in answer.text.splitlines()[0]
    assert "unauthenticated" in answer.text.splitlines()[-1]


async def test_metrics_may_have_a_port_of_their_own(tmp_path: Path) -> None:
    async with opened(tmp_path, metrics_apart=True) as house:
        key = house.keys.add("model:*:admin")
        assert (await house.ask("GET", "/metrics", key)).status_code == 404
        assert "metrics" not in (await house.ask("GET", "/")).json()
        assert "headwise_requests_total" in (await house.ask("GET", "/metrics", key, admin=True)).text
        assert (await house.ask("GET", "/metrics", admin=True)).status_code == 401
        poor = house.keys.add("model:*:predict", "model:*:metadata", "model:tumor:admin")
        assert (await house.ask("GET", "/metrics", poor, admin=True)).status_code == 403
        for path in ("/livez", "/readyz"):
            assert (await house.ask("GET", path, admin=True)).status_code == 200
        assert (await house.ask("GET", "/v1/models", key, admin=True)).json()["code"] == "not-found"
