"""headwise.v1 messages become a model's name and options."""

import math
from typing import Any

import pytest

from headwise.api.grpc.classify_request import model_spec, request_options
from headwise.api.rest.classify_request import read_options
from headwise.errors import InvalidRequestError
from headwise.gateway import RequestOptions
from headwise.heads import Abstain, Argmax, Cost
from headwise.repository.model_spec import ModelSpec
from headwise.v1 import classification_service_pb2 as v1
from support.surfaces import grpc_options


def test_models_are_named_as_in_a_path() -> None:
    assert model_spec(v1.ModelSpec(name="m")) == ModelSpec("m")
    assert model_spec(v1.ModelSpec(name="m", version=0)) == ModelSpec("m", 0)
    assert model_spec(v1.ModelSpec(name="m", version_label="stable")) == ModelSpec("m", label="stable")
    named = v1.ModelSpec(name="m", signature_name="other")
    assert model_spec(named) == ModelSpec("m", signature_name="other")
    with pytest.raises(InvalidRequestError, match=r"model\.name is empty"):
        model_spec(v1.ModelSpec(version=1))


@pytest.mark.parametrize(
    ("proto", "expected"),
    [
        (v1.ClassifyOptions(), RequestOptions()),
        (v1.ClassifyOptions(threshold=v1.Threshold(value=0.25), top_k=3), RequestOptions(0.25, 3)),
        (v1.ClassifyOptions(threshold=v1.Threshold(name="screening")), RequestOptions("screening")),
        (v1.ClassifyOptions(top_k=0), RequestOptions(top_k=0)),
        (
            v1.ClassifyOptions(head_thresholds={"a": v1.Threshold(value=0.25), "b": v1.Threshold(name="n")}),
            RequestOptions({"a": 0.25, "b": "n"}),
        ),
        (v1.ClassifyOptions(threshold=v1.Threshold()), RequestOptions(0.0)),
    ],
)
def test_options_are_read(proto: v1.ClassifyOptions, expected: RequestOptions) -> None:
    assert request_options(proto) == expected


def test_both_kinds_of_threshold_are_refused() -> None:
    one = v1.Threshold(value=0.25)
    with pytest.raises(InvalidRequestError, match="both given"):
        request_options(v1.ClassifyOptions(threshold=one, head_thresholds={"a": one}))


SETS = {"score": "aps", "coverage": 0.9, "quantiles": {"0.5": 0.4, "0.9": 0.9}, "penalty": 0.0, "free": 0, "seed": 7}
FORMS: tuple[dict[str, Any], ...] = (
    {"decision": {"rule": "threshold"}},
    {"decision": {"rule": "threshold", "threshold": 0.1, "thresholds": {"screening": 0.05}, "objective": "f1"}},
    {"decision": {"rule": "per_label", "thresholds": {"a": 0.25, "b": 0.5}, "top_k": 1}},
    {"decision": {"rule": "argmax", "abstain": {}, "prediction_set": SETS}},
    {"decision": {"rule": "argmax", "prediction_set": {**SETS, "score": "raps", "penalty": 0.5, "free": 2}}},
    {"decision": {"rule": "argmax", "prediction_set": {**SETS, "quantiles": {"0.9": [0.5, 0.25, 1.0]}}}},
    {"decision": {"rule": "cost", "costs": [[0.0, 1.0], [5.0, 0.0]], "abstain": {"cost": 0.5, "set": False}}},
    {"decision": {"a": {"rule": "argmax"}, "b": {"rule": "threshold", "threshold": 0.3}}},
    {"abstain": {"floor": 0.5, "margin": 0.25, "cost": 1.0, "set": True}},
    {"abstain": {}},
    {"abstain": {"a": {"floor": 0.5}, "b": {}}},
    {"coverage": 0.9},
    {"coverage": {"a": 0.9, "b": 0.5}},
)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_options_mean_what_they_mean_over_http(form: dict[str, Any]) -> None:
    options = request_options(grpc_options(form))
    assert options == read_options({"inputs": 1, "options": form})[1]
    assert options != RequestOptions()


def test_options_become_the_rules_of_a_card() -> None:
    decision = v1.Decision(cost=v1.CostRule(costs=[v1.CostRow(costs=[0, 1]), v1.CostRow(costs=[5, 0])]))
    read = request_options(v1.ClassifyOptions(decision=decision, abstain=v1.Abstain(), head_coverages={"a": 0.5}))
    assert read == RequestOptions(decision=Cost(((0.0, 1.0), (5.0, 0.0))), abstain=Abstain(), coverage={"a": 0.5})
    by_head = {"a": v1.Decision(argmax=v1.ArgmaxRule())}
    assert request_options(v1.ClassifyOptions(head_decisions=by_head)) == RequestOptions(decision={"a": Argmax()})


@pytest.mark.parametrize(
    ("proto", "text"),
    [
        (v1.ClassifyOptions(decision=v1.Decision()), "options.decision: its 'rule' is required"),
        (
            v1.ClassifyOptions(decision=v1.Decision(threshold=v1.ThresholdRule(threshold=math.nan))),
            "options.decision: threshold is nan: it must lie between 0 and 1",
        ),
        (v1.ClassifyOptions(abstain=v1.Abstain(floor=math.nan)), "options.abstain: floor is nan"),
        (v1.ClassifyOptions(abstain=v1.Abstain(cost=math.inf)), "options.abstain: cost is inf"),
        (
            v1.ClassifyOptions(head_abstains={"a": v1.Abstain(floor=2)}),
            "options.abstain.a: floor is 2.0: it must lie above 0",
        ),
        (
            v1.ClassifyOptions(decision=v1.Decision(argmax=v1.ArgmaxRule(), prediction_set=v1.PredictionSet())),
            "options.decision.prediction_set.score: Input should be 'lac'",
        ),
        (
            v1.ClassifyOptions(abstain=v1.Abstain(), head_abstains={"a": v1.Abstain()}),
            "options.abstain and options.head_abstains are both given",
        ),
        (v1.ClassifyOptions(coverage=0.5, head_coverages={"a": 0.5}), "options.coverage and options.head_coverages"),
    ],
)
def test_options_that_cannot_be_are_named_by_their_key(proto: v1.ClassifyOptions, text: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        request_options(proto)
    assert text in str(raised.value)
