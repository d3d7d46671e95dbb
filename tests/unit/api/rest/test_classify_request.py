"""The JSON options of headwise's own call, and how one that cannot be is named."""

from typing import Any

import pytest

from headwise.api.rest.classify_request import read_options
from headwise.errors import InvalidRequestError
from headwise.gateway import RequestOptions
from headwise.heads import Abstain, Argmax, Cost, PerLabel, Threshold

PROBABILITIES = frozenset({"probabilities"})


def test_options_are_read_with_their_defaults() -> None:
    assert read_options({"instances": [[1]]}) == ("serving_default", RequestOptions(), PROBABILITIES)
    body = {
        "inputs": {},
        "signature_name": "other",
        "options": {"threshold": {"a": 0.3, "b": "screening"}, "top_k": 3, "include": []},
    }
    assert read_options(body) == ("other", RequestOptions({"a": 0.3, "b": "screening"}, 3), frozenset())
    assert read_options({"inputs": 1, "signature_name": ""})[0] == "serving_default"
    assert read_options({"inputs": 1, "options": {"threshold": 1}})[1] == RequestOptions(1.0)
    assert read_options({"inputs": 1, "options": {"include": ["intervals"]}})[2] == {"intervals"}


COSTS = {"rule": "cost", "costs": [[0, 1], [5, 0]]}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"decision": None, "abstain": None, "coverage": None}, RequestOptions()),
        ({"decision": {"rule": "threshold", "threshold": 0.25}}, RequestOptions(decision=Threshold(0.25))),
        ({"decision": COSTS}, RequestOptions(decision=Cost(((0, 1), (5, 0))))),
        ({"decision": {"risk": COSTS, "rule": {"rule": "argmax"}}},
         RequestOptions(decision={"risk": Cost(((0, 1), (5, 0))), "rule": Argmax()})),
        ({"decision": {"rule": "per_label", "thresholds": {"float": 0.5}}},
         RequestOptions(decision=PerLabel({"float": 0.5}))),
        ({"abstain": {}}, RequestOptions(abstain=Abstain())),
        ({"abstain": {"floor": 0.5, "set": True}}, RequestOptions(abstain=Abstain(0.5, set=True))),
        ({"abstain": {"floor": {"floor": 0.5}, "b": {}}},
         RequestOptions(abstain={"floor": Abstain(0.5), "b": Abstain()})),
        ({"coverage": 0.5}, RequestOptions(coverage=0.5)),
        ({"coverage": {"a": 0.5}}, RequestOptions(coverage={"a": 0.5})),
    ],
)  # fmt: skip
def test_decision_abstention_and_coverage_are_for_the_only_head_or_by_head_name(
    options: dict[str, Any], expected: RequestOptions
) -> None:
    assert read_options({"inputs": 1, "options": options})[1] == expected


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"inputs": 1, "instances": []}, "both given"),
        ({"instances": [], "rows": 3}, "rows: "),
        ({"instances": [], "signature_name": 3}, "signature_name: "),
        ({"instances": [], "options": []}, "options: "),
        ({"instances": [], "options": {"treshold": 0.3}}, "options.treshold: "),
        ({"instances": [], "options": {"threshold": True}}, "options.threshold: "),
        ({"instances": [], "options": {"threshold": [0.3]}}, "options.threshold: "),
        ({"instances": [], "options": {"threshold": {"a": None}}}, "options.threshold.a: "),
        ({"instances": [], "options": {"top_k": 3.0}}, "options.top_k: "),
        ({"instances": [], "options": {"top_k": True}}, "options.top_k: "),
        ({"instances": [], "options": {"include": ["logits"]}}, "options.include.0: "),
        ({"instances": [], "options": {"include": "raw"}}, "options.include: "),
        ({"instances": [], "options": {"coverage": "0.9"}}, "options.coverage: "),
        ({"instances": [], "options": {"coverage": {"a": "0.9"}}}, "options.coverage.a: "),
        ({"instances": [], "options": {"decision": {"rule": "best"}}}, "options.decision: rule is 'best'"),
        ({"instances": [], "options": {"abstain": {"flor": 0.5}}}, "options.abstain.flor: there is no such key"),
    ],
)
def test_options_that_cannot_be_are_named_by_their_key(body: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        read_options(body)
    assert text in str(raised.value)
