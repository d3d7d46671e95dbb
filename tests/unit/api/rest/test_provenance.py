"""Every part of an answer's provenance, with who said it."""

import json
from typing import Any

import numpy as np
import orjson
import pytest

from headwise.api.rest.provenance import provenance
from headwise.gateway import HeadAnswer
from headwise.heads import Abstain, Cost, Head, HeadCard, Options, PerLabel, PredictionSet, Prior, Threshold
from headwise.heads.calibrators import Identity, Platt
from headwise.repository.cards import CardFile
from headwise.repository.served_model import ServedModel

NO_OPTIONS = Options()
MODEL = ServedModel("tumor", 3, {}, CardFile(HeadCard(1, {}), "d1935", b"{}"))
NOT_SAID = {"value": None, "source": "default"}
BINARY = Head("binary", "sigmoid", ("benign", "malignant"))
CLASSES = Head("multiclass", "softmax", ("a", "b", "c"))
VALUE = Head("regression", "linear")
MARGIN = Head("binary", "tanh", ("no", "yes"))


def told(head: Head, raw: Any, options: Options = NO_OPTIONS) -> Any:
    """As it is read from JSON."""
    output = np.asarray(raw, np.float64)
    answer = HeadAnswer(head, head.answer(output, options), output)
    return json.loads(orjson.dumps(provenance(answer, MODEL)))


def test_provenance_says_what_was_applied_and_who_said_so() -> None:
    assert told(BINARY, [[0.5], [1.0]]) == {
        "activation": {"value": "sigmoid", "source": "card"},
        "calibration": {"method": "identity", "source": "default"},
        "prior": NOT_SAID,
        "decision": {
            "rule": "threshold",
            "threshold": 0.5,
            "threshold_name": None,
            "costs": None,
            "objective": None,
            "source": "default",
        },
        "abstain": NOT_SAID,
        "prediction_set": NOT_SAID,
        "coverage": NOT_SAID,
        "top_k": NOT_SAID,
        "saturated": 1,
        "card_digest": "d1935",
    }


@pytest.mark.parametrize(
    ("head", "raw", "options", "expected"),
    [
        (BINARY, [[0.5]], Options(0.3), ("threshold", 0.3, None, "request")),
        (CLASSES, [[0.25, 0.5, 0.25]], Options(), ("argmax", None, None, "default")),
        (VALUE, [[1.0]], Options(), (None, None, None, "default")),
        (MARGIN, [[0.5]], Options(), ("threshold", 0.0, None, "default")),
        (
            Head("binary", "linear", ("no", "yes"), decision=Threshold(0.4, {"screening": 0.1})),
            [[0.5]],
            Options("screening"),
            ("threshold", 0.1, "screening", "request"),
        ),
        (
            Head("multilabel", "linear", ("x", "y"), decision=PerLabel({"y": 0.2, "x": 0.1})),
            [[0.5, 0.5]],
            Options(),
            ("per_label", {"x": 0.1, "y": 0.2}, None, "card"),
        ),
    ],
)
def test_the_decision_names_rule_cut_and_source(
    head: Head, raw: Any, options: Options, expected: tuple[Any, ...]
) -> None:
    decision = told(head, raw, options)["decision"]
    assert (decision["rule"], decision["threshold"], decision["threshold_name"], decision["source"]) == expected


def test_every_part_that_a_card_decides_is_told() -> None:
    sets = PredictionSet("lac", 0.5, {"0.5": 0.75, "0.9": 0.875})
    rule = Cost(((0, 1, 1), (1, 0, 1), (4, 1, 0)), "by hand", Abstain(floor=0.25, cost=0.5), sets, 2)
    prior = Prior((0.25, 0.5, 0.25), (0.25, 0.25, 0.5))
    head = Head("multiclass", "softmax", ("a", "b", "c"), calibration=Identity(), prior=prior, decision=rule)
    assert told(head, [[0.25, 0.5, 0.25]]) == {
        "activation": {"value": "softmax", "source": "card"},
        "calibration": {"method": "identity", "source": "card"},
        "prior": {"value": {"source": [0.25, 0.5, 0.25], "target": [0.25, 0.25, 0.5]}, "source": "card"},
        "decision": {
            "rule": "cost",
            "threshold": None,
            "threshold_name": None,
            "costs": [[0, 1, 1], [1, 0, 1], [4, 1, 0]],
            "objective": "by hand",
            "source": "card",
        },
        "abstain": {"value": {"floor": 0.25, "cost": 0.5}, "source": "card"},
        "prediction_set": {"value": "lac", "source": "card"},
        "coverage": {"value": 0.5, "source": "card"},
        "top_k": {"value": 2, "source": "card"},
        "saturated": 0,
        "card_digest": "d1935",
    }
    asked = told(head, [[0.25, 0.5, 0.25]], Options(top_k=1, abstain=Abstain(set=True), coverage=0.9))
    assert {name: asked[name] for name in ("abstain", "coverage", "top_k")} == {
        "abstain": {"value": {"set": True}, "source": "request"},
        "coverage": {"value": 0.9, "source": "request"},
        "top_k": {"value": 1, "source": "request"},
    }
    assert told(head, [[0.25, 0.5, 0.25]], Options(abstain=Abstain()))["abstain"] == {
        "value": None,
        "source": "request",
    }


def test_a_calibration_comes_from_the_card() -> None:
    head = Head("binary", "linear", ("no", "yes"), calibration=Platt(slope=2.0, intercept=0.5))
    assert told(head, [[0.5]])["calibration"] == {"method": "platt", "source": "card"}
