"""All nine example models over HTTP and gRPC: the same answers, and the ones their held-out rows deserve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest

from headwise.heads import Head
from headwise.repository.served_model import load
from headwise.v1 import classification_service_pb2 as v1
from headwise.v1.classification_service_pb2_grpc import ClassificationServiceStub
from support.example_models import NAMES, Examples
from support.gateway_process import GatewayProcess

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def gateway(examples: Examples) -> Iterator[GatewayProcess]:
    with GatewayProcess("--models", str(examples.models)) as running:
        yield running.wait_ready()


@pytest.fixture(scope="module")
def stub(gateway: GatewayProcess) -> Iterator[ClassificationServiceStub]:
    with grpc.insecure_channel(gateway.grpc) as channel:
        yield ClassificationServiceStub(channel)  # type: ignore[no-untyped-call]  # generated without types


def held_out(examples: Examples, name: str) -> tuple[str, Any, Any]:
    with np.load(examples.models / name / "holdout.npz") as arrays:
        (key,) = set(arrays.files) - {"targets"}
        return key, arrays[key][:64], arrays["targets"][:64]


def head_of(examples: Examples, name: str) -> tuple[str, Head]:
    ((output, head),) = load(name, 1, examples.models / name / "1").heads("serving_default").items()
    return output, head


@pytest.mark.parametrize("name", NAMES)
def test_http_answers_as_the_head_says_of_the_raw_numbers(
    gateway: GatewayProcess, examples: Examples, name: str
) -> None:
    key, rows, targets = held_out(examples, name)
    output, head = head_of(examples, name)
    answer = gateway.classify(name, {"inputs": {key: rows.tolist()}, "options": {"include": ["probabilities", "raw"]}})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["model"] == {"name": name, "version": 1}
    assert body["heads"][output]["task"] == head.task
    raw = gateway.http.post(f"/v1/models/{name}:predict", json={"inputs": {key: rows.tolist()}}).json()["outputs"]
    said = np.array([row["raw"] for row in body["predictions"]])
    np.testing.assert_allclose(said, np.array(raw), rtol=1e-6, atol=1e-6)
    expected = head.predict(said.astype(np.float32))
    predictions, names = body["predictions"], body["heads"][output].get("labels", [])
    if head.task == "regression":
        assert [row["value"] for row in predictions] == said[:, 0].tolist()
    elif head.task == "multilabel":
        assert tuple(tuple(row["labels"]) for row in predictions) == expected.labels
        assert [[names[i] for i in row["indices"]] for row in predictions] == [row["labels"] for row in predictions]
    else:
        assert [row["label"] for row in predictions] == np.asarray(expected.labels).tolist()
        assert all(row["label"] == names[row["index"]] for row in predictions)
        assert all(row["probability"] == row["probabilities"][row["index"]] for row in predictions)
    if head.task != "regression":
        np.testing.assert_array_equal([row["probabilities"] for row in predictions], expected.probabilities)
    right = _right(head, body["predictions"], targets)
    print(f"{name}: {right:.3f} of {len(rows)} held-out rows")
    assert right > (0.4 if head.task == "ordinal" else 0.85)


def _right(head: Head, predictions: list[dict[str, Any]], targets: Any) -> float:
    if head.task == "regression":
        values = np.array([row["value"] for row in predictions])
        return float(np.corrcoef(values, targets)[0, 1] > 0.5)
    if head.task == "multilabel":
        found = [row["indices"] == np.flatnonzero(t).tolist() for row, t in zip(predictions, targets, strict=True)]
        return float(np.mean(found))
    return float(np.mean([row["index"] == target for row, target in zip(predictions, targets, strict=True)]))


@pytest.mark.parametrize("name", NAMES)
def test_grpc_gives_the_same_answers(
    gateway: GatewayProcess, stub: ClassificationServiceStub, examples: Examples, name: str
) -> None:
    key, rows, _ = held_out(examples, name)
    rows = rows.astype(np.float32)
    output, head = head_of(examples, name)
    http = gateway.classify(name, {"inputs": {key: rows.tolist()}}).json()["predictions"]
    request = v1.ClassifyRequest(model=v1.ModelSpec(name=name))
    request.inputs[key].CopyFrom(
        v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=rows.shape, content=rows.astype("<f4").tobytes())
    )
    answer = stub.Classify(request, timeout=30)
    assert (answer.model_name, answer.model_version) == (name, 1)
    said = answer.heads[output]
    assert (said.task, tuple(said.classes), tuple(said.shape)) == (head.task, head.labels, (len(rows),))
    if head.task == "regression":
        assert list(said.values) == [row["value"] for row in http]
        return
    assert list(said.probabilities) == [p for row in http for p in row["probabilities"]]
    if head.task == "multilabel":
        on = np.array(said.decisions).reshape(len(rows), -1)
        assert [np.flatnonzero(row).tolist() for row in on] == [row["indices"] for row in http]
    else:
        assert list(said.indices) == [row["index"] for row in http]
        assert list(said.labels) == [row["label"] for row in http]


def test_a_logit_and_a_sigmoid_export_of_one_network_decide_alike(gateway: GatewayProcess, examples: Examples) -> None:
    with np.load(examples.models / "parity" / "holdout.npz") as arrays:
        body = {"inputs": arrays["image"].tolist()}
    answers = [
        [row["label"] for row in gateway.classify(name, body).json()["predictions"]]
        for name in ("parity", "parity_logit")
    ]
    assert answers[0] == answers[1]
    assert len(answers[0]) == 540


def test_the_printed_sample_is_a_good_request(gateway: GatewayProcess, examples: Examples) -> None:
    for name in NAMES:
        answer = gateway.classify(name, (examples.models / name / "sample.json").read_bytes())
        assert len(answer.json()["predictions"]) == 3
