"""Calibrated and decided answers of a running gateway equal those of Head offline, over HTTP and gRPC.

Every calibrator, prior correction, and every decision, on models that TensorFlow runs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from headwise.heads import CALIBRATORS, Abstain, Argmax, Cost, Head, Options, Prediction, Threshold
from headwise.repository.cards import parse_card
from headwise.v1 import classification_service_pb2 as v1
from headwise.v1.classification_service_pb2_grpc import ClassificationServiceStub
from support.gateway_process import GatewayProcess
from support.recordings import MODELS
from support.surfaces import from_json, from_proto, grpc_options

RANDOM = np.random.default_rng(4)
FEATURES = {"features": (6 * RANDOM.normal(size=(40, 4))).astype(np.float32)}
INPUTS: dict[str, dict[str, Any]] = {
    "logit": FEATURES,
    "softmax4": FEATURES,
    "multilabel": FEATURES,
    "pair": {
        "x": (4 * RANDOM.normal(size=(40, 3))).astype(np.float32),
        "n": RANDOM.integers(0, 6, (40, 1)).astype(np.int32),
    },
}

BINARY = {"task": "binary", "activation": "linear", "labels": ["no", "yes"]}
CLASSES = {"task": "multiclass", "activation": "softmax", "labels": ["a", "b", "c", "d"]}
LABELS = {"task": "multilabel", "activation": "sigmoid", "labels": ["x", "y", "z"]}
STEPS = {"task": "ordinal", "activation": "linear", "labels": ["low", "middle", "high"]}
PLATT = {"method": "platt", "slope": 0.7, "intercept": -0.4}
BETA = {"method": "beta", "a": 0.6, "b": 1.4, "c": 0.2}
TEMPERATURE = {"method": "temperature", "temperature": 2.3}
MIXTURE = {"method": "temperature_mixture", "temperature": 1.7, "uniform": 0.05}
VECTOR = {"method": "vector", "slopes": [0.5, 1.5, 1.0, 0.8], "intercepts": [0.3, -0.2, 0.0, 0.1]}
ISOTONIC = {"method": "isotonic", "cuts": [-2.0, 0.1, 1.5], "probabilities": [0.05, 0.3, 0.55, 0.9]}
VENN_ABERS = {
    "method": "venn_abers",
    "logits": [-1.0, 1.0],
    "lower": [0.1, 0.1, 0.3, 0.5, 0.7],
    "upper": [0.2, 0.4, 0.5, 0.8, 0.9],
}
COSTS = [[0.0, 1.0, 4.0, 2.0], [2.0, 0.0, 1.0, 5.0], [9.0, 3.0, 0.0, 1.0], [1.0, 1.0, 2.0, 0.0]]
PRIOR = {"source": [0.4, 0.3, 0.2, 0.1], "target": [0.1, 0.2, 0.3, 0.4]}
QUANTILES = {"0.5": 0.55, "0.9": 0.95}


@dataclass(frozen=True)
class Served:
    """A recorded model with heads; what a request asks, on the wire and offline by head name."""

    model: str
    heads: dict[str, dict[str, Any]]
    options: dict[str, Any] = field(default_factory=dict)
    offline: dict[str, Options] = field(default_factory=dict)


def one(model: str, head: dict[str, Any], wire: dict[str, Any] | None = None, offline: Options | None = None) -> Served:
    return Served(model, {"output_0": head}, wire or {}, {} if offline is None else {"output_0": offline})


def sets(score: str, quantiles: Any = QUANTILES, **more: Any) -> dict[str, Any]:
    return {"score": score, "coverage": 0.9, "quantiles": quantiles, **more}


SERVED: dict[str, Served] = {
    **{
        f"binary_{calibration['method']}": one("logit", {**BINARY, "calibration": calibration})
        for calibration in ({"method": "identity"}, TEMPERATURE, MIXTURE, PLATT, BETA, ISOTONIC, VENN_ABERS)
    },
    **{
        f"classes_{calibration['method']}": one("softmax4", {**CLASSES, "calibration": calibration})
        for calibration in (TEMPERATURE, MIXTURE, VECTOR)
    },
    "binary_prior": one(
        "logit",
        {
            **BINARY,
            "calibration": PLATT,
            "prior": {"source": [0.7, 0.3], "target": [0.2, 0.8]},
            "decision": {"rule": "cost", "costs": [[0, 1], [5, 0]], "objective": "cost", "abstain": {"cost": 0.3}},
        },
    ),
    "binary_asked": one(
        "logit",
        {**BINARY, "calibration": VENN_ABERS},
        {"decision": {"rule": "threshold", "threshold": 0.3}, "abstain": {"floor": 0.7}, "top_k": 1},
        Options(decision=Threshold(0.3), abstain=Abstain(floor=0.7), top_k=1),
    ),
    "classes_decided": one(
        "softmax4",
        {
            **CLASSES,
            "calibration": VECTOR,
            "prior": PRIOR,
            "decision": {
                "rule": "cost",
                "costs": COSTS,
                "abstain": {"margin": 0.2},
                "prediction_set": sets("aps", seed=3),
                "top_k": 2,
            },
        },
    ),
    "classes_lac": one(
        "softmax4",
        {**CLASSES, "calibration": TEMPERATURE, "decision": {"rule": "argmax", "prediction_set": sets("lac")}},
        {"coverage": 0.5, "abstain": {"set": True}},
        Options(coverage=0.5, abstain=Abstain(set=True)),
    ),
    "classes_by_class": one(
        "softmax4",
        {
            **CLASSES,
            "decision": {
                "rule": "argmax",
                "prediction_set": sets("raps", {"0.9": [0.9, 0.7, 1.1, 0.4]}, penalty=0.1, free=1),
            },
        },
    ),
    "labels": one(
        "multilabel",
        {
            **LABELS,
            "calibration": {"method": "per_label", "calibrators": [BETA, VENN_ABERS, PLATT]},
            "prior": {"source": [0.5, 0.2, 0.1], "target": [0.3, 0.4, 0.2]},
            "decision": {"rule": "per_label", "thresholds": {"x": 0.3, "y": 0.35, "z": 0.6}, "objective": "f1 (macro)"},
        },
    ),
    "two_heads": Served(
        "pair",
        {
            "hidden": {**STEPS, "calibration": PLATT, "prior": {"source": [0.5, 0.3, 0.2], "target": [0.2, 0.3, 0.5]}},
            "prob": {**BINARY, "activation": "sigmoid", "calibration": TEMPERATURE},
        },
        {
            "decision": {"hidden": {"rule": "cost", "costs": [[0, 1, 4], [1, 0, 1], [4, 1, 0]]}},
            "abstain": {"prob": {"floor": 0.8}},
        },
        {
            "hidden": Options(decision=Cost(((0, 1, 4), (1, 0, 1), (4, 1, 0)))),
            "prob": Options(abstain=Abstain(floor=0.8)),
        },
    ),
    "conditional": Served(
        "pair",
        {
            "hidden": {**STEPS, "encoding": "conditional", "calibration": TEMPERATURE},
            "prob": {**BINARY, "activation": "sigmoid", "calibration": ISOTONIC},
        },
    ),
    "two_units": Served(
        "pair",
        {
            "hidden": {**BINARY, "calibration": BETA},
            "prob": {**BINARY, "activation": "sigmoid", "calibration": MIXTURE},
        },
        {"threshold": {"hidden": 0.4}},
        {"hidden": Options(0.4)},
    ),
    "rows_of_classes": Served(
        "pair",
        {"hidden": {"task": "multiclass", "activation": "linear", "labels": ["a", "b"], "calibration": MIXTURE}},
        {"decision": {"rule": "argmax", "abstain": {"margin": 0.5}}},
        {"hidden": Options(decision=Argmax(abstain=Abstain(margin=0.5)))},
    ),
}  # fmt: skip
BIN = {"low": 0.0, "high": 1.0, "rows": 8, "probability": 0.5, "observed": 0.5, "interval": [0.2, 0.8]}
EVIDENCE = {"reliability": {"of": "positive class", "before": [BIN], "after": [BIN]}}


def card(served: Served) -> bytes:
    evidence = dict.fromkeys(served.heads, EVIDENCE)
    signatures = {"serving_default": {"heads": served.heads}}
    return json.dumps({"card_version": 1, "signatures": signatures, "evidence": evidence}).encode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """All of SERVED in one gateway."""
    models = tmp_path_factory.mktemp("models")
    for name, served in SERVED.items():
        folder = models / name / "1"
        shutil.copytree(MODELS / served.model / "1", folder)
        (folder / "assets.extra").mkdir(exist_ok=True)
        (folder / "assets.extra" / "head.json").write_bytes(card(served))
    with GatewayProcess("--models", str(models)) as running:
        yield running.wait_ready()


def test_every_calibrator_is_served_here() -> None:
    heads = (head for served in SERVED.values() for head in served.heads.values())
    assert {head["calibration"]["method"] for head in heads if "calibration" in head} == CALIBRATORS.keys()


def raw_outputs(gateway: GatewayProcess, name: str, served: Served) -> dict[str, Any]:
    """The model's own numbers by output name, as TensorFlow Serving's path answers them: float32."""
    inputs = {key: values.tolist() for key, values in INPUTS[served.model].items()}
    answer = gateway.http.post(f"/v1/models/{name}:predict", json={"inputs": inputs})
    assert answer.status_code == 200, answer.text
    outputs = answer.json()["outputs"]
    named = outputs if isinstance(outputs, dict) else dict.fromkeys(served.heads, outputs)
    return {output: np.array(values, np.float32) for output, values in named.items()}


def over_http(gateway: GatewayProcess, name: str, served: Served) -> dict[str, Any]:
    inputs = {key: values.tolist() for key, values in INPUTS[served.model].items()}
    options = {**served.options, "include": ["probabilities", "intervals"]}
    answer = gateway.classify(name, {"inputs": inputs, "options": options})
    assert answer.status_code == 200, answer.text
    return from_json(answer.json())


def over_grpc(gateway: GatewayProcess, name: str, served: Served) -> dict[str, Any]:
    request = v1.ClassifyRequest(
        model=v1.ModelSpec(name=name),
        options=grpc_options({**served.options, "include": ["probabilities", "intervals"]}),
    )
    for key, values in INPUTS[served.model].items():
        kind = v1.DataType.Value(f"DATA_TYPE_{values.dtype.name.upper()}")
        request.inputs[key].CopyFrom(v1.Tensor(data_type=kind, shape=values.shape, content=values.tobytes()))
    with grpc.insecure_channel(gateway.grpc) as channel:
        stub = ClassificationServiceStub(channel)  # type: ignore[no-untyped-call]  # as grpc generates it
        return from_proto(stub.Classify(request, timeout=30))


def offline(served: Served, raw: dict[str, Any]) -> dict[str, tuple[Head, Prediction]]:
    heads = parse_card(card(served)).heads_of("serving_default")
    return {name: (head, head.answer(raw[name], served.offline.get(name, Options()))) for name, head in heads.items()}


def check(cells: list[dict[str, Any]], expected: Prediction) -> None:
    """Cells of one head, one a row."""
    assert expected.probabilities is not None
    told = np.array([cell["probabilities"] for cell in cells])
    np.testing.assert_allclose(told, expected.probabilities, rtol=0, atol=1e-12, strict=True)
    if expected.decisions is not None:
        assert [cell["indices"] for cell in cells] == [np.flatnonzero(row).tolist() for row in expected.decisions]
    else:
        assert expected.indices is not None
        assert [cell.get("index", -1) for cell in cells] == expected.indices.tolist()
        assert [cell.get("abstained", False) for cell in cells] == (expected.indices < 0).tolist()
        assert expected.labels is not None
        assert [cell.get("label") for cell in cells] == list(expected.labels)
    if expected.sets is not None:
        assert [cell["set"]["indices"] for cell in cells] == [np.flatnonzero(row).tolist() for row in expected.sets]
    if expected.top is not None:
        assert [[entry["index"] for entry in cell["top"]] for cell in cells] == expected.top.tolist()
    if expected.intervals is not None:
        key = "interval" if expected.task == "binary" else "intervals"
        blank = [np.nan, np.nan]
        pairs = [[cell[key]] if key == "interval" else [pair or blank for pair in cell[key]] for cell in cells]
        np.testing.assert_allclose(pairs, expected.intervals, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", SERVED)
def test_a_running_gateway_answers_as_the_head_does_offline(gateway: GatewayProcess, name: str) -> None:
    served = SERVED[name]
    http = over_http(gateway, name, served)
    answers = offline(served, raw_outputs(gateway, name, served))
    assert http["heads"].keys() == answers.keys()
    for output, (_, prediction) in answers.items():
        check(http["heads"][output]["cells"], prediction)

    said = over_grpc(gateway, name, served)
    for head in http["heads"].values():
        for cell in head["cells"]:
            cell.pop("probability", None)  # gRPC leaves it in `probabilities`, at the index
            if "top" in cell:
                cell["top"] = [entry["index"] for entry in cell["top"]]
    assert said == http, "not a bit differs"


def test_what_is_compared_is_there_in_these_answers(gateway: GatewayProcess) -> None:
    found: dict[str, set[Any]] = {"abstained": set(), "sizes": set(), "intervals": set()}
    for name, served in SERVED.items():
        for _, prediction in offline(served, raw_outputs(gateway, name, served)).values():
            if prediction.abstained is not None:
                found["abstained"].update(prediction.abstained.tolist())
            if prediction.sets is not None:
                found["sizes"].update(prediction.sets.sum(axis=1).tolist())
            if prediction.intervals is not None:
                found["intervals"].add(prediction.task)
    assert found["abstained"] == {True, False}
    assert len(found["sizes"]) > 2
    assert found["intervals"] == {"binary", "multilabel"}


def test_the_stored_diagram_is_served(gateway: GatewayProcess) -> None:
    answer = gateway.http.get("/v1/models/binary_platt/reliability")
    assert answer.json()["heads"] == {"output_0": EVIDENCE["reliability"]}
    picture = gateway.http.get("/v1/models/two_heads/reliability", params={"head": "prob", "format": "svg"})
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")


def test_answering_loads_nothing_that_only_calibrating_needs(gateway: GatewayProcess) -> None:
    maps = Path(f"/proc/{gateway.process.pid}/maps").read_text()
    assert not [library for library in ("scipy", "matplotlib", "pyarrow", "tensorflow") if f"/{library}/" in maps]
