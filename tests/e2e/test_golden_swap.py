"""A version whose golden records fail is swapped in under load: no request sees it, and everybody is told why.

The recorded model `steps` answers 10, 20 and 30 in its versions 1, 2 and 3; their fingerprints are the same.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

from headwise.diagnostics.golden import GoldenRecord
from headwise.repository.golden_file import GOLDEN_PATH, write_golden
from headwise.v1 import classification_service_pb2 as v1
from headwise.v1.classification_service_pb2_grpc import ClassificationServiceStub
from support.gateway_process import GatewayProcess
from support.model_repository import publish

HTTP_CLIENTS, GRPC_CLIENTS = 12, 8
BODY = {"instances": [0.0], "options": {"include": ["probabilities", "raw"]}}
RUNS_FOR = 1.5
"""Seconds of load on each side of a swap."""

Answer = tuple[int, str, float]
"""Version, label, and the model's own number."""

pytestmark = pytest.mark.timeout(200)


def golden(version: Path, expected: float, decided: int = 1) -> bytes:
    """Two golden records of a network that answers `expected`."""
    rows = [np.array([x], np.float32) for x in (0.0, 5.0)]
    outputs = {"y": np.array([expected], np.float32)}
    records = [GoldenRecord("serving_default", {"x": row}, outputs, {"y": np.array([decided])}) for row in rows]
    version.mkdir(parents=True)
    return write_golden(version, records, "swapped").read_bytes()


def add(models: Path, version: int, network: int, expected: float, **card: Any) -> Path:
    """Publish a network of `steps` as a version, with golden records that expect a number."""
    head = {"task": "binary", "activation": "linear", "labels": [f"no-{version}", f"yes-{version}"], **card}
    document = {"card_version": 1, "signatures": {"serving_default": {"heads": {"y": head}}}}
    extra = {
        "head.json": json.dumps(document).encode(),
        GOLDEN_PATH.name: golden(models.parent / f"golden-{version}", expected),
    }
    return publish(models / "swapped", version, f"steps/{network}", extra)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models" / "swapped").mkdir(parents=True)
    return tmp_path / "models"


def over_http(gateway: GatewayProcess, stop: threading.Event) -> Iterator[Answer]:
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        while not stop.is_set():
            answer = client.post("/v1/models/swapped:classify", json=BODY)
            assert answer.status_code == 200, answer.text
            (prediction,) = answer.json()["predictions"]
            yield answer.json()["model"]["version"], prediction["label"], float(np.ravel(prediction["raw"])[0])


def over_grpc(gateway: GatewayProcess, stop: threading.Event) -> Iterator[Answer]:
    with grpc.insecure_channel(gateway.grpc) as channel:
        stub = stub_of(channel)
        while not stop.is_set():
            answer = stub.Classify(grpc_request(include=[v1.INCLUDE_RAW]), timeout=30)
            head = answer.heads["y"]
            yield answer.model_version, head.labels[0], float(np.frombuffer(head.raw.content, "<f4")[0])


def stub_of(channel: grpc.Channel) -> ClassificationServiceStub:
    return ClassificationServiceStub(channel)  # type: ignore[no-untyped-call]  # generated without types


def grpc_request(version: int | None = None, **options: Any) -> v1.ClassifyRequest:
    row = v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=[1], float_values=[0.0])
    request = v1.ClassifyRequest(
        model=v1.ModelSpec(name="swapped"), inputs={"x": row}, options=v1.ClassifyOptions(**options)
    )
    if version is not None:
        request.model.version = version
    return request


def readiness(gateway: GatewayProcess) -> dict[str, Any]:
    model: dict[str, Any] = gateway.http.get("/readyz").json()["models"]["swapped"]
    return model


def newest(gateway: GatewayProcess) -> int:
    version: int = gateway.classify("swapped", BODY).json()["model"]["version"]
    return version


def test_no_request_sees_a_version_whose_golden_records_fail(models: Path) -> None:
    add(models, 1, network=1, expected=10)
    with GatewayProcess("--models", str(models)) as gateway:
        gateway.wait_ready()
        stop = threading.Event()
        clients = [over_http] * HTTP_CLIENTS + [over_grpc] * GRPC_CLIENTS
        with ThreadPoolExecutor(len(clients)) as pool:
            running = [pool.submit(Counter[Answer], client(gateway, stop)) for client in clients]
            try:
                time.sleep(RUNS_FOR)
                add(models, 2, network=2, expected=10)
                gateway.wait_for(lambda: readiness(gateway)["code"] == "golden-records")
                time.sleep(RUNS_FOR)
                told, listed = readiness(gateway), gateway.http.get("/v1/models").json()
                refused = refusals(gateway)
                raw = gateway.http.post("/v1/models/swapped:predict", json={"instances": [0.0]}).json()
                published = time.monotonic()
                add(models, 3, network=3, expected=30)
                gateway.wait_for(lambda: newest(gateway) == 3)
                took = time.monotonic() - published
                time.sleep(RUNS_FOR)
            finally:
                stop.set()
            seen = sum((task.result() for task in running), Counter[Answer]())

        print(f"{sum(seen.values())} answers: {dict(seen)}; version 3 answered {took:.2f} s after its rename")
        assert set(seen) == {(1, "yes-1", 10.0), (3, "yes-3", 30.0)}
        difference = "its golden records fail (HW120): record 1 of 2: output 'y' is 20, expected is 10 within 0.1"
        assert (told["ready"], told["versions"], told["code"]) == (True, [1], "golden-records")
        assert told["reason"] == f"version 2: {difference} (and 1 more)"
        ((second, first),) = [model["versions"] for model in listed["models"]]
        assert (second["version"], second["state"], second["ready"]) == (2, "AVAILABLE", False)
        assert (second["code"], second["reason"]) == ("golden-records", f"{difference} (and 1 more)")
        assert (first["version"], first["ready"], first["reason"]) == (1, True, None)
        assert raw == {"predictions": [20.0]}, "TensorFlow Serving's own paths reach the largest loaded version"
        assert refused == {
            "http": (503, "golden-records", None, f"model swapped version 2 is kept out: {difference} (and 1 more)"),
            "grpc": (grpc.StatusCode.FAILED_PRECONDITION, "golden-records"),
        }
        metrics = gateway.http.get("/metrics").text
        assert 'headwise_golden_proofs_total{model="swapped",result="held"} 2.0' in metrics
        assert 'headwise_golden_proofs_total{model="swapped",result="failed"} 1.0' in metrics
        events = [line for line in gateway.log.splitlines() if "golden records" in line]
        assert [("hold" in line, "fail" in line) for line in events] == [(True, False), (False, True), (True, False)]
        print("\n".join(events))


def refusals(gateway: GatewayProcess) -> dict[str, Any]:
    """What callers are told who ask for version 2 by its number."""
    named = gateway.http.post("/v1/models/swapped/versions/2:classify", json=BODY)
    with grpc.insecure_channel(gateway.grpc) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            stub_of(channel).Classify(grpc_request(version=2), timeout=30)
        code = dict(caught.value.trailing_metadata())["headwise-error-code"]
    body = named.json()
    return {
        "http": (named.status_code, body["code"], named.headers.get("retry-after"), body["detail"]),
        "grpc": (caught.value.code(), code),
    }


def test_what_goes_bad_under_a_serving_version_leaves_its_last_good_reading(models: Path) -> None:
    """A calibration in the card turns the decision of both records; the card is torn; the records are cut short."""
    folder = add(models, 1, network=1, expected=10)
    with GatewayProcess("--models", str(models)) as gateway:
        gateway.wait_ready()
        card, records = folder / "assets.extra" / "head.json", folder / GOLDEN_PATH
        good, bad = card.read_bytes(), json.loads(card.read_bytes())
        turned = {"method": "platt", "slope": 1.0, "intercept": -40.0}
        bad["signatures"]["serving_default"]["heads"]["y"]["calibration"] = turned
        replace(card, json.dumps(bad).encode())
        gateway.wait_for(lambda: readiness(gateway)["code"] == "golden-records")
        assert readiness(gateway)["reason"] == (
            "version 1: the last good card answers on, what is on disk now is refused: "
            "its golden records fail (HW120): record 1 of 2: "
            "head 'y' decides 'no-1' (0), expected is 'yes-1' (1) (and 1 more)"
        )
        assert gateway.classify("swapped", BODY).json()["predictions"][0]["label"] == "yes-1"
        assert gateway.http.get("/readyz").status_code == 200
        replace(card, b"{")
        gateway.wait_for(lambda: readiness(gateway)["code"] == "head-config")
        assert (newest(gateway), "last_good_kept=True" in gateway.log) == (1, True)
        replace(card, good)
        gateway.wait_for(lambda: readiness(gateway)["code"] is None)
        replace(records, records.read_bytes()[:-3])
        gateway.wait_for(lambda: readiness(gateway)["code"] == "head-config")
        assert "was cut short" in readiness(gateway)["reason"]
        assert newest(gateway) == 1


def replace(file: Path, content: bytes) -> None:
    draft = file.with_name(".draft")
    draft.write_bytes(content)
    draft.rename(file)
