"""The outputs that users reported, and what they mean once the last layer is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise.errors import OutputRangeError, UnsupportedHeadError
from headwise.heads import Head
from headwise.heads.links import sigmoid, softmax
from strategies.heads import EXTREME

GOLDEN = Path(__file__).parents[2] / "golden" / "reported_outputs.json"
REPORTED = json.loads(GOLDEN.read_text("utf-8"))
LOGITS = np.array(REPORTED["dense1_linear"]["outputs"], np.float32)
SIGMOIDS = np.array(REPORTED["dense1_sigmoid"]["outputs"], np.float32)
SIX = [0.5, 0.731, 0.881, 0.953, 0.982, 0.993]
LABELS = ("cat", "dog")


def test_96_reported_logits_are_96_positives() -> None:
    prediction = Head("binary", "linear", LABELS).predict(LOGITS)

    assert len(LOGITS) == 96
    assert prediction.indices is not None
    assert prediction.indices.sum() == 96


def test_cutting_the_raw_logits_at_one_half_would_have_lost_13() -> None:
    prediction = Head("binary", "linear", LABELS).predict(LOGITS)

    assert (LOGITS > 0.5).sum() == 83
    assert np.count_nonzero((LOGITS > 0.5) != prediction.indices) == 13


def test_96_reported_sigmoid_outputs_are_51_positives() -> None:
    prediction = Head("binary", "sigmoid", LABELS).predict(SIGMOIDS)

    assert len(SIGMOIDS) == 96
    assert prediction.indices is not None
    assert prediction.indices.sum() == 51


def test_sigmoid_is_no_distribution_over_classes() -> None:
    probabilities = sigmoid(np.arange(6.0))

    assert probabilities.round(3).tolist() == SIX
    assert round(probabilities.sum(), 2) == 5.04


def test_six_sigmoids_are_refused_as_multiclass() -> None:
    with pytest.raises(UnsupportedHeadError, match=r'need not sum to 1 .* write "task": "multilabel"'):
        Head("multiclass", "sigmoid", tuple("abcdef"))


def test_six_sigmoids_that_claim_to_be_softmax_are_found_by_their_sum() -> None:
    head = Head("multiclass", "softmax", tuple("abcdef"))

    with pytest.raises(OutputRangeError, match=r"a sum of 5\.03975 in row 0: are these independent sigmoids"):
        head.predict([sigmoid(np.arange(6.0)).tolist()])


@given(st.floats(-EXTREME, EXTREME), st.floats(-EXTREME, EXTREME))
def test_softmax_over_two_units_is_the_sigmoid_of_their_difference(z0: float, z1: float) -> None:
    pair = np.array([[z0, z1]])

    assert np.abs(softmax(pair)[0, 1] - sigmoid(pair[0, 1:] - pair[0, :1])[0]) <= 1e-12
    prediction = Head("binary", "linear", LABELS).predict(pair)
    assert prediction.probabilities is not None
    assert np.abs(prediction.probabilities - softmax(pair)).max() <= 1e-12
