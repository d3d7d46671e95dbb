"""Every bad input gets a clear answer that names what was wrong, and the next good request is answered."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from support.gateway_process import GatewayProcess

ROW = [1.0, 2.0, 3.0, 4.0]
GOOD = {"instances": [ROW]}


def options(**chosen: Any) -> dict[str, Any]:
    return {**GOOD, "options": chosen}


CASES: dict[str, tuple[str, Any, int, str, str]] = {
    # name: model, body, status, code, a part of the detail
    "unknown model": ("logitt", GOOD, 404, "model-not-found", "did you mean logit?"),
    "unknown version": ("logit/versions/9", GOOD, 404, "version-not-found", "no version 9; its versions are 1"),
    "unknown label": ("logit/labels/stable", GOOD, 404, "version-not-found", "no label 'stable'"),
    "unknown signature": ("logit", {**GOOD, "signature_name": "zzz"}, 404, "head-not-found", "'serving_default'"),
    "wrong name": ("logit", {"inputs": {"feature": [ROW]}}, 400, "invalid-tensor", "unknown input 'feature'"),
    "missing name": ("pair", {"inputs": {"x": [[1, 2, 3]]}}, 400, "invalid-tensor", "missing input 'n'"),
    "several inputs, bare rows": ("pair", {"instances": [[1, 2, 3]]}, 400, "invalid-tensor", "'n', 'x'"),
    "rows with other keys": (
        "pair",
        {"instances": [{"x": [1, 2, 3], "n": [1]}, {"x": [1, 2, 3]}]},
        400,
        "invalid-tensor",
        "instances[1]",
    ),
    "texts for numbers": ("logit", {"instances": [[1, 2, 3, "4"]]}, 400, "invalid-tensor", "[0][3] is the text '4'"),
    "null for a number": ("logit", {"instances": [ROW, [1, 2, None, 4]]}, 400, "invalid-tensor", "[1][2] is null"),
    "true for a number": ("logit", {"instances": [[True, False, True, True]]}, 400, "invalid-tensor", "is true"),
    "fraction for a whole number": (
        "pair",
        {"inputs": {"x": [[1, 2, 3]], "n": [[1.5]]}},
        400,
        "invalid-tensor",
        "whole numbers are expected",
    ),
    "whole number too large": (
        "pair",
        {"inputs": {"x": [[1, 2, 3]], "n": [[2**40]]}},
        400,
        "invalid-tensor",
        "int32 cannot",
    ),
    "number too large for float32": (
        "logit",
        {"instances": [[1, 1e39, 3, 4]]},
        400,
        "invalid-tensor",
        "instances[0][1] is too large for float32",
    ),
    "rows of another width": ("logit", {"instances": [[1, 2, 3]]}, 400, "invalid-tensor", "takes float32 (?, 4)"),
    "one row without its list": ("logit", {"instances": ROW}, 400, "invalid-tensor", "takes float32 (?, 4)"),
    "an image of the wrong rank": ("image", {"instances": [[0.0] * 64]}, 400, "invalid-tensor", "(?, 8, 8, 1)"),
    "ragged rows": ("logit", {"instances": [ROW, [1, 2]]}, 400, "invalid-tensor", "instances[1] has 2 elements"),
    "different batches": (
        "pair",
        {"inputs": {"x": [[1, 2, 3]], "n": [[1], [2]]}},
        400,
        "invalid-tensor",
        "'x' has 1, 'n' has 2",
    ),
    "no rows": ("logit", {"instances": []}, 400, "invalid-request", "at least one row"),
    "no rows in columns": ("logit", {"inputs": []}, 400, "invalid-tensor", "takes float32"),
    "instances that are no list": ("logit", {"instances": 3}, 400, "invalid-request", "must be a list"),
    "both forms": ("logit", {**GOOD, "inputs": [ROW]}, 400, "invalid-request", "instances and inputs"),
    "an unknown key": ("logit", {**GOOD, "option": {}}, 400, "invalid-request", "option"),
    "an unknown option": ("logit", options(treshold=0.3), 400, "invalid-request", "options.treshold"),
    "threshold 0": ("logit", options(threshold=0), 400, "invalid-request", "between 0 and 1"),
    "threshold 1": ("logit", options(threshold=1.0), 400, "invalid-request", "between 0 and 1"),
    "threshold below 0": ("logit", options(threshold=-0.5), 400, "invalid-request", "between 0 and 1"),
    "a threshold nobody named": ("logit", options(threshold="sreening"), 400, "invalid-request", "'screening'"),
    "a threshold on classes": ("softmax4", options(threshold=0.5), 400, "invalid-request", "takes no threshold"),
    "one threshold for two heads": (
        "pair",
        {"inputs": {"x": [[1, 2, 3]], "n": [[1]]}, "options": {"threshold": 0.5}},
        400,
        "invalid-request",
        "by head name",
    ),
    "a threshold for no head": (
        "logit",
        options(threshold={"output_1": 0.5}),
        400,
        "invalid-request",
        "the heads are 'output_0'",
    ),
    "top_k 0": ("logit", options(top_k=0), 400, "invalid-request", "a whole number from 1"),
    "top_k as text": ("logit", options(top_k="3"), 400, "invalid-request", "options.top_k"),
    "include something else": ("logit", options(include=["logits"]), 400, "invalid-request", "options.include"),
    "NaN": ("logit", b'{"instances": [[1, 2, 3, NaN]]}', 400, "invalid-tensor", "must be finite"),
    "infinity": ("logit", b'{"instances": [[1, 2, 3, -Infinity]]}', 400, "invalid-tensor", "must be finite"),
    "output that is not finite": ("nanout", {"instances": [1.0, 2.0]}, 502, "non-finite-output", "rows 0, 1"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_call_of_headwise_is_a_problem_document(recorded_gateway: GatewayProcess, case: str) -> None:
    model, body, status, code, part = CASES[case]
    answer = recorded_gateway.classify(model, body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert part in problem["detail"]
    assert recorded_gateway.classify("logit", GOOD).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b'{"instances": [[1,2', b"[[1,2,3,4]]", b"{}", b"\xff\xfe"])
def test_a_body_that_is_no_call_of_headwise_is_answered_as_tfs_does(
    recorded_gateway: GatewayProcess, body: bytes
) -> None:
    answer = recorded_gateway.classify("logit", body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


def test_a_body_above_the_limit_is_refused_by_its_length_and_by_its_bytes(recorded_gateway: GatewayProcess) -> None:
    large = json.dumps({"instances": [ROW] * 4000}).encode()
    assert len(large) > 65536
    for content in (large, iter([large[:1000], large[1000:]])):
        answer = recorded_gateway.http.post("/v1/models/logit:classify", content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "payload-too-large")
        assert "65536 bytes" in answer.json()["detail"]


def test_a_gzip_body_is_read_and_capped_after_inflation(recorded_gateway: GatewayProcess) -> None:
    def post(content: bytes) -> Any:
        headers = {"content-encoding": "gzip"}
        return recorded_gateway.http.post("/v1/models/logit:classify", content=content, headers=headers)

    assert post(gzip.compress(json.dumps(GOOD).encode())).status_code == 200
    bomb = gzip.compress(json.dumps({"instances": [ROW] * 100_000}).encode())
    assert len(bomb) < 65536
    assert post(bomb).json()["code"] == "payload-too-large"
    assert post(b"no gzip").json()["code"] == "invalid-request"
    assert post(gzip.compress(b"{}")[:-4]).json()["code"] == "invalid-request"


def test_another_content_encoding_is_refused(recorded_gateway: GatewayProcess) -> None:
    answer = recorded_gateway.http.post("/v1/models/logit:classify", content=b"x", headers={"content-encoding": "br"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media")


def test_top_k_above_the_class_count_lists_all_classes(recorded_gateway: GatewayProcess) -> None:
    top = recorded_gateway.classify("softmax4", options(top_k=99)).json()["predictions"][0]["top"]
    assert len(top) == 4
    assert [entry["probability"] for entry in top] == sorted((e["probability"] for e in top), reverse=True)


def test_nan_is_forwarded_on_tfs_paths(recorded_gateway: GatewayProcess) -> None:
    answer = recorded_gateway.http.post("/v1/models/logit:predict", content=b'{"instances": [[1, 2, 3, NaN]]}')
    assert answer.status_code == 502
    assert "not finite" in answer.json()["error"]
