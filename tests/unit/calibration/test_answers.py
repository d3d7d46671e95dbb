"""What is answered for calibrated probabilities: as the head serves them, by its decision alone."""

from __future__ import annotations

import numpy as np
import pytest

from headwise.calibration.answers import answer, applied
from headwise.heads import Abstain, Head, Options, Prior, Temperature
from support.calibrations import KINDS, calibration

PARTS = ("indices", "decisions", "abstained", "sets")


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"margin", "prior"}))
def test_they_are_those_that_the_head_serves(kind: str) -> None:
    head = calibration(kind).head
    units = {"binary": 1, "ordinal": len(head.labels) - 1}.get(head.task, len(head.labels))
    served = head.predict(np.random.default_rng(0).normal(size=(300, units)) * 4)
    assert served.probabilities is not None
    read = answer(head, served.probabilities)
    assert applied(head) == served.applied == read.applied
    for part in PARTS:
        np.testing.assert_array_equal(getattr(read, part), getattr(served, part), err_msg=part)
    assert any(getattr(read, part) is not None for part in PARTS)


def test_neither_calibrator_nor_prior_moves_the_probabilities() -> None:
    p = np.array([[0.7, 0.3], [0.4, 0.6]])
    head = Head("binary", "linear", ("no", "yes"), calibration=Temperature(9.0), prior=Prior((0.5, 0.5), (0.99, 0.01)))
    read = answer(head, p)
    np.testing.assert_array_equal(read.probabilities, p)
    assert read.indices is not None
    assert read.indices.tolist() == [0, 1]


def test_a_margin_is_decided_by_the_probability_that_it_is_given() -> None:
    head = Head("binary", "tanh", ("no", "yes"))
    read = answer(head, np.array([[0.5, 0.5], [0.51, 0.49]]))
    assert read.indices is not None
    assert read.indices.tolist() == [1, 0]


def test_options_speak_before_the_card() -> None:
    one = calibration("multiclass abstaining")
    answers = answer(one.head, one.after).indices, answer(one.head, one.after, Options(abstain=Abstain())).indices
    assert [(each == -1).any() for each in answers if each is not None] == [True, False]
