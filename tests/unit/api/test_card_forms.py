"""Decisions and abstentions in a request: what is wrong with one is told with its key."""

from typing import Any

import orjson
import pytest

from headwise.api.card_forms import read_abstain, read_decision
from headwise.errors import InvalidRequestError
from headwise.heads import Abstain, Argmax, PredictionSet

SETS = {"score": "lac", "coverage": 0.9, "quantiles": {"0.9": 0.5}}
DECISIONS: list[tuple[Any, str]] = [
    ("argmax", "options.decision: Input should be an object"),
    ({}, "options.decision: its 'rule' is required"),
    ({"threshold": 0.5}, "options.decision: its 'rule' is required"),
    ({"rule": "best"}, "options.decision: rule is 'best': it must be one of 'threshold', "),
    ({"rule": "argmax", "floor": 0.5}, "options.decision.floor: there is no such key"),
    ({"rule": "threshold", "threshold": "0.5"}, "options.decision.threshold: Input should be a valid number"),
    ({"rule": "threshold", "threshold": 1}, "options.decision: threshold is 1.0: it must lie between 0 and 1"),
    ({"rule": "per_label"}, "options.decision.thresholds: it is required"),
    ({"rule": "cost", "costs": [[0, 1], [True, 0]]}, "options.decision.costs.1.0: Input should be a valid number"),
    ({"rule": "cost", "costs": [[0, 1], [5]]}, "options.decision: costs has 2 rows of 2, 1 numbers"),
    ({"rule": "argmax", "abstain": {"flor": 0.5}}, "options.decision.abstain.flor: there is no such key"),
    ({"rule": "argmax", "prediction_set": {**SETS, "quantiles": {"0.9": "x"}}},
     "options.decision.prediction_set.quantiles.0.9: Input should be a valid number"),
    ({"rule": "argmax", "prediction_set": {**SETS, "quantiles": {"0.9": [0.5, "x"]}}},
     "options.decision.prediction_set.quantiles.0.9.1: Input should be a valid number"),
    ({"rule": "argmax", "prediction_set": {**SETS, "coverage": 0.5}},
     "options.decision.prediction_set: coverage is 0.5"),
    ({"risk": {"rule": "argmax"}, "kind": {}}, "options.decision.kind: its 'rule' is required"),
    ({"risk": {"rule": "argmax"}, "kind": 0.5}, "options.decision: its 'rule' is required"),
    ({"rule": orjson.loads("[" * 300 + "]" * 300)}, "options.decision: Invalid JSON: recursion limit exceeded"),
    ({"rule": orjson.loads("[" * 1020 + "]" * 1020)}, "options.decision: no JSON that can be read"),
]  # fmt: skip
ABSTAINS: list[tuple[Any, str]] = [
    (0.5, "options.abstain: Input should be an object"),
    ({"flor": 0.5}, "options.abstain.flor: there is no such key"),
    ({"floor": 2}, "options.abstain: floor is 2.0: it must lie above 0"),
    ({"set": 1}, "options.abstain.set: Input should be a valid boolean"),
    ({"risk": {"floor": "x"}}, "options.abstain.risk.floor: Input should be a valid number"),
]


@pytest.mark.parametrize(
    ("read", "form", "text"),
    [*((read_decision, *case) for case in DECISIONS), *((read_abstain, *case) for case in ABSTAINS)],
)
def test_a_form_that_cannot_be_is_told_with_its_key(read: Any, form: Any, text: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        read(form)
    assert str(raised.value).startswith(text)


def test_forms_are_those_of_a_card() -> None:
    form = {"rule": "argmax", "abstain": {"floor": 0.5}, "prediction_set": SETS, "top_k": 2, "objective": "none"}
    sets = PredictionSet("lac", 0.9, {"0.9": 0.5})
    assert read_decision(form) == Argmax("none", Abstain(0.5), sets, 2)
    assert read_decision({"a": form}) == {"a": Argmax("none", Abstain(0.5), sets, 2)}
    assert read_abstain({}) == Abstain()
    assert (read_decision(None), read_abstain(None)) == (None, None)
