"""HTTP and gRPC give equal answers and equal error codes: each case goes through both, real ports and all."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from headwise.api.status import STATUSES
from headwise.backends.base import Arrays
from headwise.errors import HeadwiseError
from headwise.telemetry.metrics import Metrics
from headwise.tripwires import Tripwires
from support.in_memory_gateway import BINARY, Models
from support.surfaces import Case, from_json, from_proto, serving

pytestmark = pytest.mark.anyio

CLASSES = {"task": "multiclass", "activation": "linear", "labels": ["a", "b", "c"]}
NAMED = {"rule": "threshold", "threshold": 0.5, "thresholds": {"screening": 0.1}}
SETS = {"score": "aps", "coverage": 0.9, "quantiles": {"0.5": 0.4, "0.9": 0.9}, "seed": 5}
PER_CLASS = {"score": "lac", "coverage": 0.9, "quantiles": {"0.9": [0.9, 0.2, 0.6]}}
COSTS = [[0.0, 1.0, 4.0], [2.0, 0.0, 1.0], [9.0, 3.0, 0.0]]
VENN_ABERS = {
    "method": "venn_abers",
    "logits": [-1.0, 1.0],
    "lower": [0.1, 0.1, 0.3, 0.5, 0.7],
    "upper": [0.2, 0.4, 0.5, 0.8, 0.9],
}
PRIOR = {"source": [0.5, 0.3, 0.2], "target": [0.2, 0.3, 0.5]}
HEADS: dict[str, tuple[dict[str, Any] | None, int]] = {
    "binary": ({**BINARY, "decision": NAMED}, 1),
    "sigmoid": ({**BINARY, "activation": "sigmoid"}, 1),
    "two_units": (BINARY, 2),
    "platt": ({**BINARY, "calibration": {"method": "platt", "slope": 0.7, "intercept": -0.2}}, 1),
    "classes": (CLASSES, 3),
    "temperature": ({**CLASSES, "calibration": {"method": "temperature", "temperature": 1.7}}, 3),
    "labels": ({"task": "multilabel", "activation": "linear", "labels": ["x", "y", "z"]}, 3),
    "ordinal": ({"task": "ordinal", "activation": "linear", "labels": ["low", "middle", "high"]}, 2),
    "value": ({"task": "regression", "activation": "linear"}, 1),
    "margin": ({**BINARY, "activation": "tanh"}, 1),
    "identity": ({**BINARY, "calibration": {"method": "identity"}}, 1),
    "venn_abers": (
        {**BINARY, "calibration": VENN_ABERS, "decision": {"rule": "threshold", "abstain": {"floor": 0.6}}},
        1,
    ),
    "each_label": (
        {
            "task": "multilabel",
            "activation": "linear",
            "labels": ["x", "y", "z"],
            "calibration": {
                "method": "per_label",
                "calibrators": [
                    VENN_ABERS,
                    {"method": "identity"},
                    {"method": "platt", "slope": 2.0, "intercept": 0.1},
                ],
            },
        },
        3,
    ),
    "decided": (
        {
            **CLASSES,
            "prior": PRIOR,
            "decision": {
                "rule": "cost",
                "costs": COSTS,
                "objective": "cost",
                "abstain": {"cost": 0.5},
                "prediction_set": SETS,
                "top_k": 2,
            },
        },
        3,
    ),
    "refused": ({**BINARY, "activation": "softmax"}, 1),
    "raw": (None, 1),
}


PROVENANCE: dict[str, Any] = {"include": ["probabilities", "provenance"]}
LOGITS = [[0.8656], [-1.1738], [0.0]]
TRIPLES = [[0.1, -2.0, 3.5], [1.0, 1.0, 1.0]]

ANSWERS: dict[str, Case] = {
    "binary": Case("binary", LOGITS),
    "binary, probabilities": Case("sigmoid", [[0.25], [0.5], [1.0]]),
    "binary, two units": Case("two_units", [[0.3, -0.2], [-4.0, 4.0]]),
    "binary, calibrated": Case("platt", LOGITS),
    "threshold": Case("binary", LOGITS, {"threshold": 0.2}),
    "named threshold": Case("binary", LOGITS, {"threshold": "screening"}),
    "threshold by head": Case("binary", LOGITS, {"threshold": {"output_0": 0.2}}),
    "multiclass": Case("classes", TRIPLES),
    "multiclass, calibrated": Case("temperature", TRIPLES),
    "top_k": Case("classes", TRIPLES, {"top_k": 2}),
    "top_k above the class count": Case("binary", LOGITS, {"top_k": 9}),
    "multilabel": Case("labels", TRIPLES),
    "multilabel, one cut": Case("labels", TRIPLES, {"threshold": 0.9}),
    "ordinal": Case("ordinal", [[2.0, -1.0], [-3.0, 3.0]]),
    "regression": Case("value", [[151.5], [-0.1]]),
    "margin": Case("margin", [[0.5], [-0.5]]),
    "raw": Case("binary", LOGITS, {"include": ["raw"]}),
    "provenance": Case("platt", LOGITS, {"include": ["provenance", "probabilities"], "threshold": 0.4}),
    "provenance of labels": Case("labels", TRIPLES, {"include": ["provenance"]}),
    "provenance of a value": Case("value", [[1.0]], {"include": ["provenance"]}),
    "several heads": Case("two", TRIPLES, {"threshold": {"risk": "screening"}, "top_k": 2, "include": ["raw"]}),
    "positions": Case("positions", [[[0.5, 1.0, -1.0], [0.0, 0.0, 2.0]]] * 2),
    "identity calibration": Case("identity", LOGITS, {"include": ["provenance"]}),
    "intervals": Case("venn_abers", LOGITS, {"include": ["intervals", "provenance"]}),
    "intervals of labels": Case("each_label", TRIPLES, {"include": ["intervals"]}),
    "intervals nobody has": Case("binary", LOGITS, {"include": ["intervals"]}),
    "a card that decides": Case("decided", TRIPLES, {"include": ["probabilities", "provenance"]}),
    "decision": Case("binary", LOGITS, {"decision": {"rule": "threshold", "threshold": 0.2}, **PROVENANCE}),
    "decision with its default cut": Case("binary", LOGITS, {"decision": {"rule": "threshold"}, **PROVENANCE}),
    "decision by costs": Case(
        "binary", LOGITS, {"decision": {"rule": "cost", "costs": [[0, 1], [5, 0]]}, **PROVENANCE}
    ),
    "decision of labels": Case(
        "labels",
        TRIPLES,
        {"decision": {"rule": "per_label", "thresholds": {"x": 0.1, "y": 0.2, "z": 0.99}}, **PROVENANCE},
    ),
    "decision with all its parts": Case(
        "classes",
        TRIPLES,
        {
            "decision": {
                "rule": "argmax",
                "objective": "none",
                "abstain": {"floor": 0.5, "margin": 0.1, "set": True},
                "prediction_set": PER_CLASS,
                "top_k": 3,
            },
            **PROVENANCE,
        },
    ),
    "decision with penalised sets": Case(
        "classes",
        TRIPLES,
        {"decision": {"rule": "argmax", "prediction_set": {**SETS, "score": "raps", "penalty": 0.1, "free": 1}}},
    ),
    "abstain": Case("classes", TRIPLES, {"abstain": {"margin": 0.5}, **PROVENANCE}),
    "abstain never": Case("venn_abers", LOGITS, {"abstain": {}, **PROVENANCE}),
    "coverage": Case("decided", TRIPLES, {"coverage": 0.5, "abstain": {"set": True}, **PROVENANCE}),
    "ordinal, abstained": Case("ordinal", [[2.0, -1.0], [-3.0, 3.0]], {"abstain": {"floor": 0.7}}),
    "options by head": Case(
        "two",
        TRIPLES,
        {
            "decision": {"risk": {"rule": "threshold", "threshold": 0.2}, "kind": {"rule": "cost", "costs": COSTS}},
            "abstain": {"risk": {"floor": 0.9}, "kind": {}},
            **PROVENANCE,
        },
    ),
    "coverage by head": Case("decided", TRIPLES, {"coverage": {"output_0": 0.5}}),
    "an older version": Case("binary", LOGITS, version=1),
    "a label": Case("binary", LOGITS, label="stable"),
}
ERRORS: dict[str, tuple[Case, str]] = {
    "unknown model": (Case("binari", LOGITS), "model-not-found"),
    "unknown version": (Case("binary", LOGITS, version=9), "version-not-found"),
    "unknown label": (Case("binary", LOGITS, label="canary"), "version-not-found"),
    "unknown signature": (Case("binary", LOGITS, signature_name="zzz"), "head-not-found"),
    "no card": (Case("raw", LOGITS), "head-not-found"),
    "refused card": (Case("refused", LOGITS), "head-config"),
    "wrong input": (Case("binary", LOGITS, input_name="y"), "invalid-tensor"),
    "wrong width": (Case("binary", TRIPLES), "invalid-tensor"),
    "wrong rank": (Case("binary", [1.0, 2.0]), "invalid-tensor"),
    "threshold 0": (Case("binary", LOGITS, {"threshold": 0.0}), "invalid-request"),
    "threshold 1": (Case("binary", LOGITS, {"threshold": 1.0}), "invalid-request"),
    "threshold nobody named": (Case("binary", LOGITS, {"threshold": "sreening"}), "invalid-request"),
    "threshold on classes": (Case("classes", TRIPLES, {"threshold": 0.5}), "invalid-request"),
    "threshold for no head": (Case("binary", LOGITS, {"threshold": {"p": 0.5}}), "invalid-request"),
    "one threshold for two heads": (Case("two", TRIPLES, {"threshold": 0.5}), "invalid-request"),
    "top_k 0": (Case("classes", TRIPLES, {"top_k": 0}), "invalid-request"),
    "top_k on a value": (Case("value", [[1.0]], {"top_k": 1}), "invalid-request"),
    "options on a margin": (Case("margin", [[0.5]], {"threshold": 0.5}), "invalid-request"),
    "decision without rule": (Case("binary", LOGITS, {"decision": {}}), "invalid-request"),
    "decision of another task": (Case("binary", LOGITS, {"decision": {"rule": "argmax"}}), "invalid-request"),
    "decision with a bad cut": (
        Case("binary", LOGITS, {"decision": {"rule": "threshold", "threshold": 1.5}}),
        "invalid-request",
    ),
    "costs that are not square": (
        Case("binary", LOGITS, {"decision": {"rule": "cost", "costs": [[0.0, 1.0], [5.0]]}}),
        "invalid-request",
    ),
    "decision for no head": (Case("two", TRIPLES, {"decision": {"rsk": {"rule": "argmax"}}}), "invalid-request"),
    "one decision for two heads": (Case("two", TRIPLES, {"decision": {"rule": "argmax"}}), "invalid-request"),
    "sets of another coverage": (
        Case(
            "classes",
            TRIPLES,
            {"decision": {"rule": "argmax", "prediction_set": {**SETS, "coverage": 0.7}}},
        ),
        "invalid-request",
    ),
    "decision beside threshold": (
        Case("binary", LOGITS, {"threshold": 0.2, "decision": {"rule": "threshold"}}),
        "invalid-request",
    ),
    "abstain above 1": (Case("classes", TRIPLES, {"abstain": {"floor": 1.5}}), "invalid-request"),
    "abstain by head above 1": (Case("two", TRIPLES, {"abstain": {"kind": {"floor": 1.5}}}), "invalid-request"),
    "abstain by sets that are not there": (Case("classes", TRIPLES, {"abstain": {"set": True}}), "invalid-request"),
    "abstain from labels": (Case("labels", TRIPLES, {"abstain": {"floor": 0.5}}), "invalid-request"),
    "one abstain for two heads": (Case("two", TRIPLES, {"abstain": {}}), "invalid-request"),
    "coverage 1": (Case("decided", TRIPLES, {"coverage": 1.0}), "invalid-request"),
    "coverage without quantile": (Case("decided", TRIPLES, {"coverage": 0.7}), "invalid-request"),
    "coverage without sets": (Case("classes", TRIPLES, {"coverage": 0.9}), "invalid-request"),
    "output out of range": (Case("sigmoid", [[1.5]]), "output-range"),
    "output not finite": (Case("overflow", [[1.0]]), "non-finite-output"),
    "output missing": (Case("forgetful", [[1.0]]), "output-missing"),
    "output of other rows": (Case("doubling", [[1.0]]), "output-shape"),
    "NaN": (Case("binary", [[math.nan]]), "invalid-tensor"),
}


@pytest.fixture
def models(tmp_path: Path) -> Models:
    models = Models(tmp_path)
    for name, (head, units) in HEADS.items():
        models.add(name, head and {"output_0": head}, units=units, version=2)
    models.add("binary", {"output_0": {**BINARY, "labels": ["old", "older"]}}, version=1)
    models.backend.labels["binary"] = {"stable": 1}
    models.add(
        "two",
        {
            "risk": {**BINARY, "decision": NAMED},
            "kind": CLASSES,
            "size": {"task": "regression", "activation": "linear"},
        },
        units=3,
        outputs={"risk": ("float32", (None, 1)), "kind": ("float32", (None, 3)), "size": ("float32", (None,))},
        run=lambda inputs: {"risk": inputs["x"][:, :1], "kind": inputs["x"], "size": inputs["x"][:, 2]},
    )
    positions: dict[str, Any] = {
        "inputs": {"x": ("float32", (None, 2, 3))},
        "outputs": {"output_0": ("float32", (None, 2, 3))},
    }
    models.add("positions", {"output_0": CLASSES}, **positions)
    models.add("overflow", {"output_0": BINARY}, run=lambda inputs: {"output_0": inputs["x"] * np.float32(math.inf)})
    models.add("forgetful", {"output_0": BINARY}, run=lambda _: {})
    models.add("doubling", {"output_0": BINARY}, run=_doubled)
    return models


def _doubled(inputs: Arrays) -> Arrays:
    return {"output_0": np.concatenate([inputs["x"], inputs["x"]])}


@pytest.mark.parametrize("name", ANSWERS)
async def test_both_surfaces_give_equal_answers(models: Models, name: str) -> None:
    case = ANSWERS[name]
    async with serving(models) as surfaces:
        http = await surfaces.over_http(case)
        assert http.status_code == 200, http.text
        over_grpc = from_proto(await surfaces.over_grpc(case))
    over_http = from_json(http.json())
    for head in over_http["heads"].values():
        for cell in head["cells"]:
            cell.pop("probability", None)  # gRPC leaves it in `probabilities`, at the index
            if "top" in cell:
                cell["top"] = [entry["index"] for entry in cell["top"]]
    assert over_grpc == over_http


async def test_both_surfaces_warn_alike_where_contradictions_are_answered(models: Models) -> None:
    case = Case("sigmoid", [[1.5], [0.25]])
    async with serving(models, Tripwires(Metrics(), "warn")) as surfaces:
        http = (await surfaces.over_http(case)).json()
        over_grpc = from_proto(await surfaces.over_grpc(case))
    assert over_grpc["warnings"] == from_json(http)["warnings"] == http["warnings"]
    (warning,) = http["warnings"]
    assert (warning["head"], warning["code"]) == ("output_0", "HW118")
    assert "there is 1.5 in row 0" in warning["message"]
    assert [row["probability"] for row in http["predictions"]] == [1.0, 0.75]


@pytest.mark.parametrize("name", ERRORS)
async def test_both_surfaces_refuse_alike(models: Models, name: str) -> None:
    case, code = ERRORS[name]
    async with serving(models) as surfaces:
        http = await surfaces.over_http(case)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await surfaces.over_grpc(case)
    error = raised.value
    trailers = dict(error.trailing_metadata() or ())
    assert (http.json()["code"], trailers["headwise-error-code"]) == (code, code)
    (status,) = {status for kind, status in STATUSES.items() if kind.code == code}
    assert (http.status_code, error.code()) == (status.http, status.grpc)
    if name != "NaN":  # strict JSON has no NaN, so HTTP stops at the body
        assert error.details() == http.json()["detail"]


def test_every_code_that_a_call_can_meet_is_compared() -> None:
    compared = {code for _, code in ERRORS.values()}
    of_requests = {kind.code for kind, status in STATUSES.items() if status.http in (400, 404)}
    of_outputs = {kind.code for kind in _tree(HeadwiseError) if kind.code.startswith(("output-", "non-finite"))}
    assert (of_requests | of_outputs) - {"not-found"} <= compared


def _tree(kind: type[HeadwiseError]) -> set[type[HeadwiseError]]:
    return {kind}.union(*(_tree(below) for below in kind.__subclasses__()))
