"""Health, the list of models, head cards and metrics, from the repository's snapshot."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from headwise.api.rest.operations import Operations
from headwise.errors import HeadConfigError, HeadNotFoundError, HeadwiseError, VersionNotFoundError
from headwise.gateway import Gateway
from headwise.repository.model_spec import ModelSpec, VersionState, VersionStatus
from headwise.repository.served_model import ServedModel, load
from headwise.repository.snapshot import Model, Snapshot, Version
from headwise.telemetry.metrics import Metrics
from support.in_memory_gateway import BINARY, Models, signature_def, write_card, write_saved_model

pytestmark = pytest.mark.anyio

REFUSED = {"output_0": {**BINARY, "activation": "softmax"}}


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


def operations(gateway: Gateway, *required: str) -> Operations:
    return Operations(gateway, Metrics(), required=frozenset(required))


def document(response: Response) -> Any:
    assert response.headers["content-type"] == "application/json"
    return json.loads(bytes(response.body))


async def of(models: Models, snapshot: Snapshot, *required: str) -> Operations:
    """Operations on a snapshot as given."""
    gateway = Gateway(models.backend, models.repository())
    gateway.repository.snapshot = snapshot
    return operations(gateway, *required)


def model(*states: VersionState, error: str = "", refusal: HeadwiseError | None = None) -> Model:
    """Versions n, …, 1 in these states; without cards."""
    numbered = zip(range(len(states), 0, -1), states, strict=True)
    return Model(
        "m", tuple(Version(VersionStatus(n, s, error), ServedModel("m", n, {}, refusal=refusal)) for n, s in numbered)
    )


async def test_liveness_needs_nothing(models: Models) -> None:
    answer = operations(await models.gateway()).livez()
    assert (answer.status_code, document(answer)) == (200, {"live": True})


async def test_readiness_of_serving_and_refused_models(models: Models) -> None:
    models.add("tumor", {"output_0": BINARY}, version=1)
    models.add("tumor", {"output_0": BINARY}, version=2)
    folder = models.add("wrong", REFUSED)
    models.add("raw", None)
    answer = operations(await models.gateway(), "tumor").readyz()
    body = document(answer)
    assert (answer.status_code, body["ready"], body["reason"]) == (200, True, None)
    assert body["models"]["tumor"] == {"ready": True, "versions": [2, 1], "reason": None, "code": None}
    wrong = body["models"]["wrong"]
    assert (wrong["ready"], wrong["versions"], wrong["code"]) == (False, [], "head-config")
    assert wrong["reason"].startswith(f"version 1: {folder}/assets.extra/head.json: ")
    raw = body["models"]["raw"]
    assert (raw["ready"], raw["versions"], raw["code"]) == (True, [], "head-not-found")
    assert raw["reason"].startswith("version 1: no head card, so only its raw numbers can be read")


AVAILABLE, LOADING, END = VersionState.AVAILABLE, VersionState.LOADING, VersionState.END


@pytest.mark.parametrize(
    ("snapshot", "required", "reason"),
    [
        (Snapshot(), (), "the model server has not been asked yet"),
        (Snapshot({"m": model(AVAILABLE)}, None), (), None),
        (Snapshot({"m": model(LOADING)}, None), (), "loading: m"),
        (Snapshot({"m": model(LOADING, AVAILABLE)}, None), ("m",), None),
        (Snapshot({"m": model(AVAILABLE)}, "the model server is down"), (), "the model server is down"),
        (Snapshot({"m": model(AVAILABLE, refusal=HeadwiseError("no"))}, None), (), None),
        (Snapshot({"m": model(AVAILABLE, refusal=HeadwiseError("no"))}, None), ("m",), "required and not ready: m"),
        (Snapshot({"m": model(END, error="bad variables")}, None), (), None),
        (Snapshot({"m": model(END, error="bad variables")}, None), ("m",), "required and not ready: m"),
        (Snapshot({}, None), ("m", "a"), "required and not ready: a, m"),
    ],
)
async def test_readiness_needs_every_model_settled_and_the_required_ones_ready(
    models: Models, snapshot: Snapshot, required: tuple[str, ...], reason: str | None
) -> None:
    answer = (await of(models, snapshot, *required)).readyz()
    body = document(answer)
    assert (body["reason"], body["ready"]) == (reason, reason is None)
    assert answer.status_code == (200 if reason is None else 503)


async def test_draining_is_not_ready_but_live(models: Models) -> None:
    running = await of(models, Snapshot({"m": model(AVAILABLE)}, None))
    running.draining = True
    assert (running.readyz().status_code, document(running.readyz())["reason"]) == (503, "draining")
    assert running.livez().status_code == 200


async def test_the_list_names_versions_states_labels_and_heads(models: Models, tmp_path: Path) -> None:
    folder = tmp_path / "two" / "1"
    both = signature_def({"x": ("float32", (None, 1))}, {"p": ("float32", (None, 1))})
    write_saved_model(folder, {"serving_default": both, "other": both})
    write_card(folder, {"p": BINARY})
    card = json.loads((folder / "assets.extra" / "head.json").read_text())
    card["signatures"]["other"] = {"heads": {"p": {"task": "regression", "activation": "linear"}}}
    (folder / "assets.extra" / "head.json").write_text(json.dumps(card))
    served = Version(VersionStatus(1, AVAILABLE), load("two", 1, folder))
    snapshot = Snapshot({"two": Model("two", (served,), {"stable": 1}), "m": model(LOADING)}, None)
    listed = document((await of(models, snapshot)).models())
    assert listed == {
        "models": [
            {
                "name": "two",
                "versions": [
                    {
                        "version": 1,
                        "state": "AVAILABLE",
                        "ready": True,
                        "reason": None,
                        "code": None,
                        "heads": {
                            "p": {"task": "binary", "activation": "linear", "labels": ["benign", "malignant"]},
                            "other.p": {"task": "regression", "activation": "linear", "labels": []},
                        },
                    }
                ],
                "labels": {"stable": 1},
            },
            {
                "name": "m",
                "versions": [
                    {
                        "version": 1,
                        "state": "LOADING",
                        "ready": False,
                        "reason": "the model server has not loaded it (LOADING)",
                        "code": "model-not-ready",
                        "heads": {},
                    }
                ],
                "labels": {},
            },
        ]
    }


async def test_a_card_is_answered_as_it_stands_in_its_file(models: Models) -> None:
    folder = models.add("m", {"output_0": BINARY}, version=2)
    models.add("m", {"output_0": {**BINARY, "labels": ["old", "older"]}}, version=1)
    models.backend.labels["m"] = {"stable": 1}
    running = operations(await models.gateway())
    answer = await running.head(ModelSpec("m"), timeout=5)
    written = (folder / "assets.extra" / "head.json").read_bytes()
    assert answer.body == written
    assert answer.headers["etag"] == f'"{hashlib.sha256(written).hexdigest()}"'
    assert (answer.headers["x-model-version"], answer.headers["content-type"]) == ("2", "application/json")
    for spec in (ModelSpec("m", 1), ModelSpec("m", label="stable")):
        assert b"older" in bytes((await running.head(spec, timeout=5)).body)


@pytest.mark.parametrize(
    ("spec", "error", "text"),
    [
        (ModelSpec("wrong"), HeadConfigError, "one softmax unit"),
        (ModelSpec("wrong", 1), HeadConfigError, "model wrong version 1 is refused: "),
        (ModelSpec("raw"), HeadNotFoundError, "no head card"),
        (ModelSpec("raw", 1), HeadNotFoundError, "model raw version 1 has no head card"),
        (ModelSpec("raw", 2), VersionNotFoundError, "no version 2"),
    ],
)
async def test_no_card_is_an_error_with_its_reason(
    models: Models, spec: ModelSpec, error: type[HeadwiseError], text: str
) -> None:
    models.add("wrong", REFUSED)
    models.add("raw", None)
    with pytest.raises(error, match=text):
        await operations(await models.gateway()).head(spec, timeout=5)


async def test_metrics_are_prometheus_text(models: Models) -> None:
    answer = operations(await models.gateway()).metrics("")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# TYPE headwise_requests_total counter" in bytes(answer.body)


async def test_metrics_are_openmetrics_for_who_accepts_it(models: Models) -> None:
    answer = operations(await models.gateway()).metrics("application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert bytes(answer.body).endswith(b"# EOF\n")
