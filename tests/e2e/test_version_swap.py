"""New versions under load: no failed request, and every answer's labels belong to the version that it names."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.gateway_process import GatewayProcess
from support.model_repository import add_model

CLIENTS = 20
VERSIONS = 4
BODY = {"instances": [[1, 2, 3, 4]], "options": {"include": ["probabilities", "provenance"]}}

pytestmark = pytest.mark.timeout(200)


def labels(version: int) -> list[str]:
    return [f"no-{version}", f"yes-{version}"]


def publish(models: Path, version: int) -> None:
    head = {"task": "binary", "activation": "linear", "labels": labels(version)}
    add_model(models, "logit", {"output_0": head}, name="swapped", version=version)


def ask(url: str, path: str, stop: threading.Event) -> list[tuple[int, Any]]:
    answers = []
    with httpx.Client(base_url=url, timeout=30) as client:
        while not stop.is_set():
            answer = client.post(path, json=BODY)
            answers.append((answer.status_code, answer.json()))
    return answers


def test_no_request_fails_and_no_answer_is_mixed(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    with GatewayProcess("--models", str(tmp_path)) as gateway:
        gateway.wait_ready()
        stop = threading.Event()
        with ThreadPoolExecutor(CLIENTS) as pool:
            running = [pool.submit(ask, gateway.url, "/v1/models/swapped:classify", stop) for _ in range(CLIENTS)]
            for version in range(2, VERSIONS + 1):
                publish(tmp_path, version)
                gateway.wait_for(lambda wanted=version: _newest(gateway) == wanted)
            shutil.rmtree(tmp_path / "swapped" / str(VERSIONS))  # and back again
            gateway.wait_for(lambda: _newest(gateway) == VERSIONS - 1)
            stop.set()
            answers = [answer for task in running for answer in task.result()]

        seen: dict[int, int] = {}
        for status, body in answers:
            assert status == 200, body
            version = body["model"]["version"]
            assert body["heads"]["output_0"]["labels"] == labels(version)
            assert body["predictions"][0]["label"] in labels(version)
            seen[version] = seen.get(version, 0) + 1
        print(f"{len(answers)} answers, none failed; by version: {seen}")
        assert set(seen) == set(range(1, VERSIONS + 1))
        assert "error" not in [line.split()[1].strip("[") for line in gateway.log.splitlines() if line.startswith("20")]


def _newest(gateway: GatewayProcess) -> int:
    version: int = gateway.classify("swapped", BODY).json()["model"]["version"]
    return version


def test_a_version_that_is_not_admitted_leaves_its_predecessor_serving(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    with GatewayProcess("--models", str(tmp_path)) as gateway:
        gateway.wait_ready()
        refused = {"output_0": {"task": "binary", "activation": "softmax", "labels": ["no", "yes"]}}
        add_model(tmp_path, "logit", refused, name="swapped", version=2)
        gateway.wait_for(lambda: gateway.http.get("/readyz").json()["models"]["swapped"]["code"] == "head-config")
        ready = gateway.http.get("/readyz").json()["models"]["swapped"]
        assert ready["ready"] is True
        assert ready["versions"] == [1]
        assert ready["reason"].startswith("version 2: ")
        assert _newest(gateway) == 1
        named = gateway.http.post("/v1/models/swapped/versions/2:classify", json=BODY)
        assert (named.status_code, named.json()["code"]) == (503, "head-config")
