"""Answers of a model server that cannot be trusted: an error that says what came, never a guess and never a crash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from headwise.backends.base import PREDICT
from headwise.savedmodel import tensors
from support import faulty_answers as faults
from support.fault_proxy import FaultProxy
from support.faulty_backend import FaultyBackend
from support.gateway_process import GatewayProcess
from support.in_memory_gateway import Models
from support.standing import BODY, PATH, Measured, Standing, publish, standing

NAN, INFINITE = float("nan"), float("inf")


def told(at: Standing) -> tuple[int, str]:
    """Status and code of an answer, with the control model answering as ever."""
    answer = at.gateway.classify("m", BODY)
    document: dict[str, Any] = json.loads(answer.text, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    at.backend.behave(PREDICT)
    assert at.gateway.classify("control", BODY).status_code == 200
    return answer.status_code, str(document.get("code"))


@pytest.mark.fault(6)
def test_what_is_no_answer(tmp_path: Path, measured: Measured) -> None:
    cases = {
        "noise": faults.NOISE,
        "too large": faults.padded(5 * 2**20),
        "no version": faults.of_version(None),
        "another version": faults.of_version(7),
        "nothing": faults.raw(b""),
    }
    with standing(tmp_path, max_answer_bytes=4 * 2**20) as at:
        before = at.process()
        for name, behaviour in cases.items():
            at.backend.behave(PREDICT, behaviour)
            calls = len(at.backend.seen(PREDICT))
            assert told(at) == (502, "backend-protocol"), name
            assert len(at.backend.seen(PREDICT)) == calls + 2, "it is not asked again"
        assert at.metric("headwise_backend_ejections_total") == 0
        at.settle(before)
    measured(f"{len(cases)} kinds of answers that are none: 502 backend-protocol each, none asked for again")


@pytest.mark.fault(6)
def test_a_connection_that_ends_within_an_answer(tmp_path: Path, measured: Measured) -> None:
    with FaultyBackend() as backend, FaultProxy(backend.address) as proxy:
        publish(tmp_path, [backend])
        with GatewayProcess("--models", str(tmp_path), "--backend", proxy.address) as gateway:
            gateway.wait_ready()
            backend.behave(PREDICT, faults.padded(2**20))
            statuses = []
            for cut in (proxy.reset_after, proxy.truncate_after):
                cut(100_000)
                statuses.append(gateway.classify("m", BODY).status_code)
                proxy.heal()
                gateway.wait_for(lambda: gateway.classify("m", BODY).status_code == 200, 10)
            proxy.garble()
            statuses.append(gateway.classify("m", BODY).status_code)
            proxy.heal()
            gateway.wait_for(lambda: gateway.classify("m", BODY).status_code == 200, 10)
            assert "Traceback" not in gateway.log
    measured(f"reset, cut short and noise within the answer: {statuses}, and 200 again after each")
    assert set(statuses) <= {502, 503, 504}


@pytest.mark.fault(7)
@pytest.mark.parametrize("number", [NAN, INFINITE, -INFINITE])
def test_numbers_that_are_none(tmp_path: Path, measured: Measured, number: float) -> None:
    with standing(tmp_path) as at:
        at.backend.behave(PREDICT, faults.with_number(number, row=1))
        answer = at.gateway.classify("m", BODY)
        raw = at.gateway.http.post("/v1/models/m:predict", content=BODY)
        at.backend.behave(PREDICT)
        assert at.gateway.classify("control", BODY).status_code == 200
    document = json.loads(answer.text, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    measured(f"{number}: {answer.status_code} {document['code']}: {document['detail']}")
    assert (answer.status_code, document["code"]) == (502, "non-finite-output")
    assert "output_0" in document["detail"]
    assert "row" in document["detail"]
    assert raw.status_code == 502


@pytest.mark.fault(7)
def test_a_class_that_is_impossible_is_a_number(tmp_path: Path, measured: Measured) -> None:
    """A logit of minus infinity, where another class has a finite one."""
    heads = {"output_0": {"task": "multiclass", "activation": "linear", "labels": ["a", "b", "c"]}}
    with standing(tmp_path) as at:
        Models(tmp_path, at.backend.memory).add("three", heads, units=3)
        at.gateway.wait_for(lambda: at.gateway.http.get("/readyz").json()["models"].get("three", {}).get("ready"))

        def impossible(response: Any) -> None:
            logits = np.array([[1, 2, -INFINITE]], np.float32)
            response.outputs["output_0"].CopyFrom(tensors.to_proto(logits))

        at.backend.behave(PREDICT, faults.changed(impossible))
        answer = at.gateway.classify("three", {"instances": [[1, 2, 3]]})
    measured(f"-inf for one of three classes: {answer.status_code}, {answer.json()['predictions'][0]['probabilities']}")
    assert answer.json()["predictions"][0]["probabilities"][2] == 0


@pytest.mark.fault(8)
@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (faults.of_shape((2, 3)), "output-shape"),
        (faults.of_shape((3, 1)), "output-shape"),
        (faults.of_shape(()), "output-shape"),
        (faults.of_dtype("int64"), "output-shape"),
        (faults.without_output(), "output-missing"),
    ],
    ids=["units", "rows", "scalar", "dtype", "missing"],
)
def test_an_output_that_does_not_fit(
    tmp_path: Path, measured: Measured, behaviour: faults.Behaviour, code: str, request: pytest.FixtureRequest
) -> None:
    with standing(tmp_path) as at:
        at.backend.behave(PREDICT, behaviour)
        found = told(at)
    measured(f"{request.node.callspec.id}: {found[0]} {found[1]}")
    assert found == (502, code)


@pytest.mark.fault(8)
def test_an_input_that_does_not_fit_does_not_reach_the_model_server(tmp_path: Path, measured: Measured) -> None:
    bodies: list[dict[str, Any]] = [
        {"instances": [[1, 2]]},
        {"instances": [["a"]]},
        {"inputs": {"y": [[1]]}},
        {"instances": [[1], [2, 3]]},
    ]
    with standing(tmp_path) as at:
        statuses = {at.gateway.classify("m", body).status_code for body in bodies}
        calls = len(at.backend.seen(PREDICT))
    measured(f"{len(bodies)} bodies that do not fit: {statuses}, {calls} calls")
    assert (statuses, calls) == ({400}, 0)


@pytest.mark.fault(9)
def test_a_model_server_that_refuses_says_so_on_its_own_paths(tmp_path: Path, measured: Measured) -> None:
    """RESOURCE_EXHAUSTED of a busy TensorFlow Serving is time's to heal, whichever model it hits."""
    with standing(tmp_path) as at:
        at.backend.behave(PREDICT, faults.refuses(grpc.StatusCode.RESOURCE_EXHAUSTED, "no thread is free"))
        ours = at.gateway.classify("m", BODY)
        theirs = at.gateway.http.post(PATH.replace(":classify", ":predict"), content=BODY)
    measured(f"busy: {ours.status_code} with Retry-After; on TensorFlow Serving's path {theirs.status_code}")
    assert (ours.status_code, ours.headers["retry-after"]) == (503, "1")
    assert theirs.status_code == 429
