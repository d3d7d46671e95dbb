"""HeadwiseClient and AsyncHeadwiseClient, over HTTP and gRPC: one suite over all four."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headwise import AsyncHeadwiseClient, HeadwiseClient, Predictions
from headwise.client import HeadPredictions
from headwise.client.steps import Reply, Send, Transport
from headwise.errors import (
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    HeadConfigError,
    InvalidRequestError,
    InvalidTensorError,
    ModelNotFoundError,
    PayloadTooLargeError,
    VersionNotFoundError,
)
from support.in_memory_gateway import BINARY, Models
from support.served import Served, served

CLASSES = {"task": "multiclass", "activation": "linear", "labels": ["a", "b", "ç"]}
SETS = {"score": "lac", "coverage": 0.9, "quantiles": {"0.9": 0.9}}
NAMED = {"rule": "threshold", "threshold": 0.5, "thresholds": {"screening": 0.1}, "abstain": {"floor": 0.55}}
HEADS: dict[str, tuple[dict[str, Any] | None, int]] = {
    "binary": ({**BINARY, "decision": NAMED}, 1),
    "classes": ({**CLASSES, "decision": {"rule": "argmax", "prediction_set": SETS, "top_k": 2}}, 3),
    "labels": ({"task": "multilabel", "activation": "linear", "labels": ["x", "y", "z"]}, 3),
    "ordinal": ({"task": "ordinal", "activation": "linear", "labels": ["low", "middle", "high"]}, 2),
    "value": ({"task": "regression", "activation": "linear"}, 1),
    "values": ({"task": "regression", "activation": "linear"}, 2),
    "margin": ({**BINARY, "activation": "tanh"}, 1),
    "refused": ({**BINARY, "activation": "softmax"}, 1),
    "raw": (None, 1),
}
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    models = Models(tmp_path_factory.mktemp("models"))
    for name, (head, units) in HEADS.items():
        models.add(name, None if head is None else {"output_0": head}, units=units)
    models.add("binary", {"output_0": BINARY}, version=2)
    number = ("float32", (None, 1))
    models.add(
        "two",
        {"risk": BINARY, "kind": {**CLASSES, "labels": ["p", "q", "r"]}},
        inputs={"x": number, "y": ("float32", (None, 3))},
        outputs={"risk": number, "kind": ("float32", (None, 3))},
        run=lambda inputs: {"risk": inputs["x"], "kind": inputs["y"]},
    )
    models.add("positions", {"output_0": CLASSES}, inputs=(shape := {"x": ("float32", (None, 2, 3))}),
               outputs={"output_0": shape["x"]})  # fmt: skip
    named = {"file": ("float32", (None, 1))}
    run = lambda inputs: {"probabilities": inputs["file"]}  # noqa: E731
    models.add("named", {"probabilities": BINARY}, inputs=named, outputs={"probabilities": number}, run=run)
    text = ("string", (None,))
    models.add(
        "text",
        {"output_0": BINARY},
        inputs={"x": text},
        outputs={"output_0": number},
        run=lambda inputs: {"output_0": np.array([[len(one)] for one in inputs["x"]], np.float32) - 3},
    )
    with served(models, max_body_bytes=2**20) as at:
        yield at


@pytest.fixture(params=["http", "grpc", "async http", "async grpc"])
def ask(request: pytest.FixtureRequest, gateway: Served) -> Iterator[Ask]:
    """Calls a method of a client by name."""
    how, _, protocol = f" {request.param}".rpartition(" ")
    url = getattr(gateway, protocol)
    if not how.strip():
        with HeadwiseClient(url) as client:
            yield lambda method, *given, **options: getattr(client, method)(*given, **options)
        return

    async def once(method: str, *given: Any, **options: Any) -> Any:
        async with AsyncHeadwiseClient(url) as client:
            return await getattr(client, method)(*given, **options)

    yield lambda *given, **options: asyncio.run(once(*given, **options))


LOGITS = np.array([[0.8656], [-1.1738], [0.1]])
TRIPLES = np.array([[0.1, -2.0, 3.5], [1.0, 1.0, 1.0]])
CASES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "binary": ("binary/1", LOGITS, {}),
    "newest version": ("binary", LOGITS.astype(np.float32), {}),
    "version": ("binary", LOGITS, {"version": 1}),
    "threshold by name": ("binary/1", LOGITS, {"threshold": "screening", "include": ["probabilities", "raw"]}),
    "multiclass, sets and top": ("classes", TRIPLES, {"top_k": 3}),
    "whole numbers": ("classes", [[1, 2, 3]], {}),
    "multilabel": ("labels", TRIPLES, {"threshold": 0.9}),
    "ordinal": ("ordinal", [[2.0, -1.0]], {}),
    "regression": ("value", [[151.5], [-0.1]], {}),
    "several values": ("values", [[1.0, 2.0]], {}),
    "margin": ("margin", [[0.5], [-0.5]], {}),
    "two heads": ("two", {"x": LOGITS[:2], "y": TRIPLES}, {"threshold": {"risk": 0.2}, "include": ["raw"]}),
    "positions": ("positions", [TRIPLES, TRIPLES], {"include": ["probabilities", "raw"]}),
    "texts": ("text", ["hello", "ça", ""], {}),
    "bytes": ("text", np.array([b"\xff\x00\xff\xfe", b"a"], object), {}),
    "decision": ("binary", LOGITS, {"decision": {"rule": "cost", "costs": [[0.0, 1.0], [3.0, 0.0]]}}),
    "abstain": ("binary", LOGITS, {"abstain": {"floor": 0.7}}),
    "by head": ("two", {"x": LOGITS[:2], "y": TRIPLES}, {"abstain": {"risk": {"floor": 0.9}}}),
    "coverage": ("classes", TRIPLES, {"coverage": 0.9}),
    "names that are others' words": ("named", {"file": LOGITS}, {}),
    "its own output": ("named", {"file": LOGITS}, {"include": ["raw"]}),
    "one name to include": ("binary", LOGITS, {"include": "raw"}),
    "no probabilities": ("binary", LOGITS, {"include": ["raw"]}),
    "top without probabilities": ("classes", TRIPLES, {"include": ["raw"]}),
}


@pytest.fixture(scope="module")
def expected(gateway: Served) -> dict[str, Predictions]:
    with HeadwiseClient(gateway.grpc) as client:
        return {name: client.classify(model, inputs, **options) for name, (model, inputs, options) in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_every_client_gets_the_same_arrays(ask: Ask, expected: dict[str, Predictions], name: str) -> None:
    model, inputs, options = CASES[name]
    found = ask("classify", model, inputs, **options)
    assert (found.model, found.version) == (expected[name].model, expected[name].version)
    assert found.heads.keys() == expected[name].heads.keys()
    for head, told in found.heads.items():
        assert_same(told, expected[name].heads[head])
    assert found.rows() == expected[name].rows()
    assert len(found.rows()) == len(found)


def assert_same(one: HeadPredictions, other: HeadPredictions) -> None:
    for field in fields(HeadPredictions):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(right, np.ndarray):
            np.testing.assert_array_equal(left, right, err_msg=field.name)
            assert left.dtype == right.dtype, field.name
        else:
            assert left == right, field.name
    assert _plain(one.labels) == _plain(other.labels)


def _plain(labels: Any) -> Any:
    return labels.tolist() if isinstance(labels, np.ndarray) else labels


def test_answers_are_what_the_numbers_mean(ask: Ask) -> None:
    found = ask("classify", "binary/1", LOGITS)
    np.testing.assert_allclose(found.probabilities[:, 1], 1 / (1 + np.exp(-LOGITS[:, 0].astype(np.float32))), rtol=1e-7)
    assert found.labels.tolist() == ["malignant", "benign", None]
    assert len(found) == 3
    labels = ask("classify", "labels", TRIPLES)
    assert labels.labels == (("x", "z"), ("x", "y", "z"))
    with pytest.raises(InvalidRequestError, match="the heads are 'kind', 'risk'"):
        _ = ask("classify", "two", {"x": LOGITS[:2], "y": TRIPLES}).labels


def test_long_batches_are_cut_and_joined(ask: Ask) -> None:
    rows = np.random.default_rng(0).normal(size=(1000, 3))
    whole, cut = ask("classify", "classes", rows), ask("classify", "classes", rows, batch_size=300)
    assert len(cut) == 1000
    assert_same(cut.head, whole.head)


class Watched:
    """Notes what is sent."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.paths: list[str] = []

    def send(self, request: Send) -> Reply:
        self.paths.append(request.path.partition(":")[0])
        return self.transport.send(request)

    def close(self) -> None:
        self.transport.close()


def test_all_batches_go_to_the_version_that_answered_the_first(gateway: Served) -> None:
    with HeadwiseClient(gateway.http) as client:
        client._transport = watched = Watched(client._transport)
        client.classify("binary", np.zeros((5, 1)), batch_size=2)
    assert watched.paths == ["/v1/models/binary", "/v1/models/binary/versions/2", "/v1/models/binary/versions/2"]


@pytest.mark.parametrize(
    ("model", "inputs", "options", "error", "text"),
    [
        ("nobody", LOGITS, {}, ModelNotFoundError, "nobody"),
        ("binary", LOGITS, {"version": 9}, VersionNotFoundError, "9"),
        ("refused", LOGITS, {}, HeadConfigError, "one softmax unit"),
        ("binary", [[1.0, 2.0]], {}, InvalidTensorError, "float32"),
        ("binary", [[np.nan]], {}, InvalidTensorError, "must be finite"),
        ("binary", [[1.0], [2.0, 3.0]], {}, InvalidTensorError, "is no array"),
        ("binary", 3.0, {}, InvalidTensorError, "has no rows"),
        ("binary", {"y": LOGITS}, {}, InvalidTensorError, "unknown input 'y'"),
        ("two", LOGITS, {}, InvalidTensorError, "send an array for each, by name"),
        ("two", {"x": LOGITS, "y": TRIPLES}, {}, InvalidTensorError, "differ in their number of rows"),
        ("binary", LOGITS, {"threshold": 2.0}, InvalidRequestError, "threshold"),
        ("binary", LOGITS, {"treshold": 0.2}, InvalidRequestError, "treshold"),
        ("binary/one", LOGITS, {}, InvalidRequestError, "NAME/VERSION"),
        ("binary", LOGITS, {"batch_size": 0}, InvalidRequestError, "batch_size"),
        ("binary", LOGITS, {"version": 2**63}, InvalidRequestError, "the largest is 9223372036854775807"),
        ("binary/" + "1" * 5000, LOGITS, {}, InvalidRequestError, "NAME/VERSION"),
        ("binary", LOGITS, {"version": "stable"}, InvalidRequestError, "a label is given as `label`"),
        ("binary", LOGITS, {"threshold": "0.3"}, InvalidRequestError, "no threshold is named '0.3'"),
        ("binary", LOGITS, {"include": ["rw"]}, InvalidRequestError, "include names 'rw'; known are probabilities"),
        ("binary", LOGITS, {"abstain": 0.9}, InvalidRequestError, "abstain"),
        ("binary/1", LOGITS, {"label": "stable"}, InvalidRequestError, "both given"),
        ("binary", LOGITS, {"coverage": "x"}, InvalidRequestError, "coverage|options"),
        ("binary", LOGITS, {"abstain": {"flor": 1}}, InvalidRequestError, "flor"),
        ("binary", np.zeros((2**19, 1)), {"batch_size": 2**19}, PayloadTooLargeError, "larger"),
    ],
)
def test_errors_are_the_gateways_own(
    ask: Ask, model: str, inputs: Any, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        ask("classify", model, inputs, **options)


BIG = 1_200_000
"""Rows of one float32 each: 4.8 MB there and 30 MB back, where gRPC's own limit is 4 MiB."""


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    models = Models(tmp_path_factory.mktemp("models"))
    models.add("binary", {"output_0": BINARY})
    with served(models, max_body_bytes=5 * 2**20) as at:
        yield at


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_messages_above_grpcs_own_limit_work_up_to_the_cap(roomy: Served, protocol: str) -> None:
    rows = np.linspace(-1, 1, BIG, dtype=np.float32)[:, None]
    with HeadwiseClient(getattr(roomy, protocol), timeout=60) as client:
        found = client.classify("binary", rows, batch_size=BIG)
        assert found.probabilities is not None
        assert found.probabilities.shape == (BIG, 2)
        with pytest.raises(PayloadTooLargeError, match=str(5 * 2**20)):
            client.classify("binary", np.repeat(rows, 2, axis=0), batch_size=2 * BIG)


def test_models_and_heads_are_told(ask: Ask) -> None:
    listed = {model["name"]: model for model in ask("models")}
    assert [version["version"] for version in listed["binary"]["versions"]] == [2, 1]
    assert listed["refused"]["versions"][0]["code"] == "head-config"
    assert listed["value"]["versions"][0]["heads"]["output_0"]["task"] == "regression"
    card = ask("head", "binary", version=1)
    assert card["signatures"]["serving_default"]["heads"]["output_0"]["decision"]["thresholds"] == {"screening": 0.1}


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_nobody_there_is_told(scheme: str) -> None:
    nobody = (BackendUnavailableError, BackendTimeoutError)
    with HeadwiseClient(f"{scheme}://127.0.0.1:1", timeout=0.5) as client, pytest.raises(nobody):
        client.classify("binary", LOGITS)


@pytest.mark.parametrize(
    "url", ["ftp://x:1", "grpc://host", "grpc://host:1/path", "http://me@host", "http://host:99999"]
)
def test_addresses_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        HeadwiseClient(url)


def test_a_progress_bar_counts_the_rows(gateway: Served, capsys: pytest.CaptureFixture[str]) -> None:
    with HeadwiseClient(gateway.http) as client:
        client.classify("classes", np.zeros((50, 3)), batch_size=20, progress=True)
    assert "50/50" in capsys.readouterr().err


def test_it_is_light(gateway: Served) -> None:
    """No TensorFlow, no pydantic, no web framework, and no gRPC where HTTP is spoken."""
    code = (
        "import sys, headwise\n"
        f"client = headwise.HeadwiseClient({gateway.http!r})\n"
        "client.classify('binary', [[1.0]])\n"
        "heavy = {'tensorflow', 'pydantic', 'fastapi', 'starlette', 'grpc', 'google.protobuf', 'scipy', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path.cwd())
