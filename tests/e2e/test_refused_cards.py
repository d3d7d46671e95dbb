"""A card that cannot be true stops its model, with the reason everywhere; the other models serve on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.gateway_process import GatewayProcess
from support.model_repository import BINARY, add_model

WRONG: dict[str, tuple[str, dict[str, dict[str, Any]], str]] = {
    "one_softmax": (
        "logit",
        {"output_0": {"task": "binary", "activation": "softmax", "labels": ["no", "yes"]}},
        "one softmax unit is always 1",
    ),
    "two_sigmoids": (
        "softmax2",
        {"output_0": {"task": "binary", "activation": "sigmoid", "labels": ["no", "yes"]}},
        "two independent sigmoids",
    ),
    "competing_labels": (
        "softmax4",
        {"output_0": {"task": "multilabel", "activation": "softmax", "labels": ["a", "b", "c", "d"]}},
        "softmax makes labels compete",
    ),
    "wrong_units": (
        "softmax4",
        {"output_0": {"task": "multiclass", "activation": "softmax", "labels": ["a", "b"]}},
        "4 units",
    ),
    "wrong_output": ("logit", {"dense": BINARY}, "'output_0'"),
    "double_sigmoid": ("sigmoid", {"output_0": BINARY}, "the card says linear, but the graph ends in sigmoid"),
    "no_sigmoid": (
        "logit",
        {"output_0": {**BINARY, "activation": "sigmoid"}},
        "the card says sigmoid, but the graph ends in linear",
    ),
    "unknown_key": ("logit", {"output_0": {**BINARY, "treshold": 0.5}}, "treshold"),
}
GOOD = {"instances": [[1, 2, 3, 4]]}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    models = tmp_path_factory.mktemp("models")
    for name, (recorded, heads, _) in WRONG.items():
        add_model(models, recorded, heads, name=name)
    add_model(models, "logit", {"output_0": BINARY}, name="good")
    corrupt = add_model(models, "logit", {"output_0": BINARY}, name="corrupt_card")
    (corrupt / "assets.extra" / "head.json").write_text('{"card_version": 1, "sig')
    broken = add_model(models, "logit", {"output_0": BINARY}, name="corrupt_model")
    (broken / "saved_model.pb").write_bytes(b"this is no SavedModel")
    for weights in add_model(models, "logit", {"output_0": BINARY}, name="corrupt_weights").glob("variables/*"):
        weights.write_bytes(b"no weights")
    add_model(models, "logit", None, name="no_card")
    with GatewayProcess("--models", str(models)) as running:
        yield running.wait_ready()


@pytest.mark.parametrize("name", WRONG)
def test_the_reason_stands_everywhere(gateway: GatewayProcess, name: str) -> None:
    reason = WRONG[name][2]
    answer = gateway.classify(name, GOOD)
    assert (answer.status_code, answer.json()["code"]) == (503, "head-config")
    assert "retry-after" not in answer.headers
    ready = gateway.http.get("/readyz").json()["models"][name]
    (listed,) = (m for m in gateway.http.get("/v1/models").json()["models"] if m["name"] == name)
    assert ready["ready"] is False
    assert ready["code"] == listed["versions"][0]["code"] == "head-config"
    for text in (answer.json()["detail"], ready["reason"], listed["versions"][0]["reason"]):
        assert reason in text
        assert "head.json" in text
    (line,) = (line for line in gateway.log.splitlines() if "version refused" in line and f"model={name} " in line)
    assert reason in line


def test_a_corrupt_card_names_its_file(gateway: GatewayProcess) -> None:
    detail = gateway.classify("corrupt_card", GOOD).json()["detail"]
    assert "corrupt_card/1/assets.extra/head.json" in detail


def test_a_corrupt_saved_model_names_its_file(gateway: GatewayProcess) -> None:
    answer = gateway.classify("corrupt_model", GOOD)
    assert answer.json()["code"] == "head-config"
    assert "corrupt_model/1/saved_model.pb" in answer.json()["detail"]


def test_a_model_that_the_model_server_cannot_load_says_why(gateway: GatewayProcess) -> None:
    answer = gateway.classify("corrupt_weights", GOOD)
    assert (answer.status_code, answer.json()["code"]) == (503, "load-failed")
    assert "retry-after" not in answer.headers
    assert "corrupt_weights version 1 could not be loaded: " in answer.json()["detail"]
    assert gateway.http.get("/readyz").json()["models"]["corrupt_weights"]["code"] == "load-failed"


def test_a_refused_model_refuses_its_raw_numbers_too(gateway: GatewayProcess) -> None:
    answer = gateway.http.post("/v1/models/one_softmax:predict", json=GOOD)
    assert answer.status_code == 503
    assert "one softmax unit" in answer.json()["error"]


def test_the_other_models_serve_on(gateway: GatewayProcess) -> None:
    assert gateway.classify("good", GOOD).json()["predictions"][0]["label"] == "no"
    assert gateway.http.get("/readyz").status_code == 200


def test_a_model_without_card_answers_raw_numbers_only(gateway: GatewayProcess) -> None:
    assert gateway.http.post("/v1/models/no_card:predict", json=GOOD).status_code == 200
    answer = gateway.classify("no_card", GOOD)
    assert (answer.status_code, answer.json()["code"]) == (404, "head-not-found")
    assert "no_card/1 --labels NEGATIVE,POSITIVE" in answer.json()["detail"]
    assert gateway.http.get("/v1/models/no_card/head").status_code == 404


def test_raw_numbers_of_a_refused_model_where_the_setting_allows(tmp_path_factory: pytest.TempPathFactory) -> None:
    models = tmp_path_factory.mktemp("models")
    add_model(models, "logit", WRONG["one_softmax"][1], name="one_softmax")
    environment = {"HEADWISE_RAW_WHEN_REFUSED": "true", "HEADWISE_REQUIRED_MODELS": '["one_softmax"]'}
    with GatewayProcess("--models", str(models), environment=environment) as running:
        running.wait_for(lambda: running.http.post("/v1/models/one_softmax:predict", json=GOOD).status_code == 200)
        running.wait_for(lambda: "required" in running.http.get("/readyz").json()["reason"])
        ready = running.http.get("/readyz")
        assert (ready.status_code, ready.json()["models"]["one_softmax"]["code"]) == (503, "head-config")
        assert "required and not ready: one_softmax" in ready.json()["reason"]
