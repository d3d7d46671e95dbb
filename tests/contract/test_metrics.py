"""What /metrics of a real gateway tells: the metrics of the table and no others, each of which moves when it should."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from headwise import __version__
from headwise.backends.base import PREDICT
from headwise.telemetry.metric_table import METRICS
from headwise.v1 import classification_service_pb2 as v1
from support import faulty_answers as faults
from support.access import bearer
from support.fault_proxy import FaultProxy
from support.faulty_backend import FaultyBackend
from support.gateway_process import GatewayProcess
from support.standing import BODY, PATH, Standing, publish, standing

UNSURE = {
    "task": "binary",
    "activation": "linear",
    "labels": ["benign", "malignant"],
    "decision": {"rule": "threshold", "abstain": {"floor": 0.9}},
}


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Standing]:
    with standing(tmp_path, max_in_flight=1) as found:
        yield found


def told(gateway: GatewayProcess, name: str, **labels: str) -> float | None:
    """A sample of /metrics; None where there is none."""
    families = text_string_to_metric_families(gateway.http.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return next((one.value for one in samples if one.name == name and labels.items() == one.labels.items()), None)


def becomes(gateway: GatewayProcess, expected: float | None, name: str, **labels: str) -> None:
    gateway.wait_for(lambda: told(gateway, name, **labels) == expected)


def test_every_metric_of_the_table_is_there_and_nothing_else(at: Standing) -> None:
    at.gateway.http.post(PATH, content=BODY)
    families = re.findall(r"^# TYPE (\S+) (\S+)$", at.gateway.http.get("/metrics").text, re.MULTILINE)
    assert dict(families) == {name: metric.kind for name, metric in METRICS.items()}
    assert len(families) == len(METRICS)


def test_every_sample_has_the_labels_of_the_table(at: Standing) -> None:
    at.gateway.http.post(PATH, content=BODY)
    for family in text_string_to_metric_families(at.gateway.http.get("/metrics").text):
        metric = METRICS[f"{family.name}_total" if family.type == "counter" else family.name]
        assert {label for sample in family.samples for label in sample.labels} - {"le"} <= set(metric.labels)
        assert family.documentation == metric.meaning


def test_answers_are_told_by_version_head_and_label_whichever_way_they_were_asked(tmp_path: Path) -> None:
    with standing(tmp_path) as at:
        at.models().add("sure", {"output_0": UNSURE}, version=3)
        at.gateway.wait_for(lambda: at.gateway.classify("sure", {"instances": [[9.0]]}).status_code == 200)
        with grpc.insecure_channel(at.gateway.grpc) as channel:
            tensor = v1.Tensor(
                data_type=v1.DATA_TYPE_FLOAT32, shape=[3, 1], content=np.array([9, -9, 0.1], "<f4").tobytes()
            )
            request = v1.ClassifyRequest(model=v1.ModelSpec(name="sure"), inputs={"x": tensor}).SerializeToString()
            channel.unary_unary("/headwise.v1.ClassificationService/Classify")(request, timeout=20)
        of = {"model": "sure", "version": "3", "head": "output_0"}
        gateway = at.gateway
        assert told(gateway, "headwise_predicted_labels_total", **of, label="malignant") == 2
        assert told(gateway, "headwise_predicted_labels_total", **of, label="benign") == 1
        assert told(gateway, "headwise_abstentions_total", **of) == 1
        assert told(gateway, "headwise_confidence_ratio_bucket", **of, le="0.6") == 1
        assert told(gateway, "headwise_confidence_ratio_count", **of) == 4
        assert told(gateway, "headwise_batch_rows_sum", model="sure") == 4
        assert told(gateway, "headwise_batch_requests_count", model="sure") == 2
        assert told(gateway, "headwise_model_version", model="sure") == 3
        assert told(gateway, "headwise_model_versions", model="sure", state="serving") == 1
        assert told(gateway, "headwise_build_info", version=__version__) == 1


def test_what_is_refused_for_want_of_room_is_told_by_why(at: Standing) -> None:
    gateway = at.gateway
    assert told(gateway, "headwise_refusals_total", reason="in-flight") == 0
    at.backend.behave(PREDICT, faults.late(2))
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(httpx.post, f"{gateway.url}{PATH}", content=BODY, timeout=30)
        becomes(gateway, 1, "headwise_requests_in_flight", model="m")
        assert gateway.http.post(PATH, content=BODY).status_code == 503
        assert told(gateway, "headwise_refusals_total", reason="in-flight") == 1
        assert held.result().status_code == 200
    becomes(gateway, 0, "headwise_requests_in_flight", model="m")


def test_what_would_wait_for_too_long_is_told(tmp_path: Path) -> None:
    with standing(tmp_path, queue_timeout=0.05, max_batch_rows=2) as at, ThreadPoolExecutor(20) as threads:
        at.backend.behave(PREDICT, faults.late(0.1))
        client = httpx.Client(base_url=at.gateway.url, timeout=30)

        def crowd() -> int:
            answers = list(threads.map(lambda _: client.post(PATH, content=BODY).status_code, range(20)))
            return answers.count(503)

        refused = sum(crowd() for _ in range(3))  # the first of them shows how slow the model server is
        client.close()
        assert refused > 0
        becomes(at.gateway, refused, "headwise_refusals_total", reason="queue")


def test_who_is_not_let_in_is_told_by_why(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    asks = key(file, "--scope", "model:m:predict", "--rate", "1/day")
    admin = bearer(key(file, "--scope", "model:*:admin", "--scope", "model:*:metadata"))
    with standing(tmp_path / "models", "--keys-file", str(file)) as at:
        gateway = at.gateway
        gateway.http.headers.update(admin)
        for headers in ({}, {"X-API-Key": "hw_nobody_knows"}):
            assert httpx.post(f"{gateway.url}{PATH}", content=BODY, headers=headers).status_code == 401
        for status in (200, 429):
            assert httpx.post(f"{gateway.url}{PATH}", content=BODY, headers=bearer(asks)).status_code == status
        assert gateway.http.post(PATH, content=BODY).status_code == 403
        for reason, requests in (("unauthenticated", 2), ("rate-limited", 1), ("permission-denied", 1)):
            becomes(gateway, requests, "headwise_refusals_total", reason=reason)


def key(file: Path, *options: str) -> str:
    """`headwise keys create`: what it prints."""
    command = [sys.executable, "-m", "headwise", "keys", "create", "--name", "test", *options, "--file", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def test_a_model_server_that_goes_is_told(tmp_path: Path) -> None:
    with FaultyBackend() as one, FaultyBackend() as other, FaultProxy(one.address) as proxy:
        publish(tmp_path, [one, other])
        targets = f"{proxy.address},{other.address}"
        with GatewayProcess("--models", str(tmp_path), "--backend", targets) as gateway:
            gateway.wait_ready()
            becomes(gateway, 1, "headwise_backend_up", address=proxy.address)
            proxy.refuse()
            proxy.reset_all()
            becomes(gateway, 0, "headwise_backend_up", address=proxy.address)
            assert told(gateway, "headwise_backend_up", address=other.address) == 1
            assert told(gateway, "headwise_backend_ejections_total", address=proxy.address) == 1
            assert told(gateway, "headwise_backend_ejections_total", address=other.address) == 0


def test_versions_are_told_by_what_becomes_of_them(at: Standing) -> None:
    models = at.models()
    gateway, folder = at.gateway, models.add("late", {"output_0": UNSURE})
    becomes(gateway, 1, "headwise_model_versions", model="late", state="serving")
    (folder / "assets.extra" / "head.json").write_text("{}", "utf-8")
    becomes(gateway, 1, "headwise_model_versions", model="late", state="outdated")
    assert told(gateway, "headwise_reload_failures_total", what="version") == 1
    models.add("late", {"output_0": {"task": "nonsense"}}, version=2)
    becomes(gateway, 1, "headwise_model_versions", model="late", state="refused")
    assert told(gateway, "headwise_model_version", model="late") == 1


def test_names_that_callers_make_up_make_no_series(at: Standing) -> None:
    for name in ("made-up", "another"):
        at.gateway.classify(name, {"instances": [[1.0]]})
    text = at.gateway.http.get("/metrics").text
    assert "made-up" not in text
    assert told(at.gateway, "headwise_requests_total", **_REFUSED) == 2


_REFUSED: dict[str, Any] = {"surface": "http", "verb": "classify", "model": "other", "status": "404"}
