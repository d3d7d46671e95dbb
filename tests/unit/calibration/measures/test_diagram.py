"""Stored reliability diagrams: read back as they were written, refused by key where they are none."""

import json
from typing import Any

import numpy as np
import pytest

from headwise.calibration.measures.bins import Bin, equal_width, reliability
from headwise.calibration.measures.diagram import Diagram, read_diagram
from headwise.calibration.measures.pairs import Pairs
from headwise.errors import InvalidCardError

BIN = {"low": 0.5, "high": 1.0, "rows": 4, "probability": 0.75, "observed": 0.5, "interval": [0.15, 0.85]}
STORED = {"of": "positive class", "before": [BIN], "after": []}


def test_what_is_measured_is_read_back_from_its_json() -> None:
    random = np.random.default_rng(0)
    probabilities = random.uniform(size=(500, 1))
    happened = random.uniform(size=(500, 1)) < probabilities
    bins = reliability(Pairs(probabilities, happened, "positive class"), equal_width())
    diagram = Diagram("positive class", bins, bins[:3])
    assert len(bins) == 15
    assert read_diagram(json.loads(json.dumps(diagram.to_json())), "k") == diagram


def test_a_hand_written_diagram_is_read() -> None:
    one = Bin(0.5, 1.0, 4, 0.75, 0.5, (0.15, 0.85))
    assert read_diagram(STORED, "k") == Diagram("positive class", (one,), ())
    beyond = {**BIN, "probability": 1.0000001}  # a float32 softmax may lie so far beyond 1
    assert read_diagram({**STORED, "after": [beyond]}, "k").after[0].probability == 1.0000001


@pytest.mark.parametrize(
    ("stored", "key"),
    [
        (None, "k"),
        ([], "k"),
        ({"before": [], "after": []}, "k"),
        ({**STORED, "of": 3}, "k"),
        ({"of": "x", "after": []}, "k.before"),
        ({**STORED, "after": {}}, "k.after"),
        ({**STORED, "after": [BIN, 3]}, "k.after.1"),
        ({**STORED, "after": [{}]}, "k.after.0.low"),
        *(
            ({**STORED, "before": [{**BIN, name: value}]}, f"k.before.0.{name}")
            for name in ("low", "high", "probability", "observed")
            for value in (None, "0.5", True, 1.5, -0.5, float("inf"), 10**400)
        ),
        *(
            ({**STORED, "before": [{**BIN, "rows": value}]}, "k.before.0.rows")
            for value in (None, 0, -1, 2.0, True, 10**400)
        ),
        ({**STORED, "before": [{**BIN, "interval": [0.5]}]}, "k.before.0.interval"),
        ({**STORED, "before": [{**BIN, "interval": "ab"}]}, "k.before.0.interval"),
        ({**STORED, "before": [{**BIN, "interval": [0.5, None]}]}, "k.before.0.interval.1"),
        ({**STORED, "before": [{**BIN, "interval": [0.5, 0.4]}]}, "k.before.0.interval.1"),
        ({**STORED, "before": [{**BIN, "high": 0.25}]}, "k.before.0.high"),
    ],
)  # fmt: skip
def test_what_is_no_diagram_is_refused_by_its_key(stored: Any, key: str) -> None:
    with pytest.raises(InvalidCardError) as raised:
        read_diagram(stored, "k")
    assert str(raised.value).startswith(f"{key}: ")
