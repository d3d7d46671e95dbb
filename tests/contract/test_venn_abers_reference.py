"""Venn-Abers against the venn-abers package."""

from __future__ import annotations

import numpy as np
import pytest
from venn_abers import VennAbers as Peer

from headwise.calibration.fitting.steps import venn_abers
from headwise.calibration.samples import Samples
from headwise.heads.links import sigmoid
from headwise.heads.scores import Form
from support.logits import drawn


@pytest.mark.parametrize("rounded", [0, 1])
def test_venn_abers_is_that_of_the_package(rounded: int) -> None:
    samples = drawn(Form.BINARY, rows=1500, stretch=2.0)
    logits = np.round(samples.logits, 1) if rounded else samples.logits
    fit, test = logits[:1000], logits[1000:]
    p = sigmoid(logits[:, 0])
    peer = Peer()
    peer.fit(np.stack([1 - p[:1000], p[:1000]], axis=1), samples.targets[:1000])
    answer, interval = peer.predict_proba(np.stack([1 - p[1000:], p[1000:]], axis=1))
    scores = venn_abers(Samples(fit, samples.targets[:1000], Form.BINARY, 2)).scores(test, Form.BINARY)
    assert scores.interval is not None
    assert scores.probabilities is not None
    np.testing.assert_allclose(scores.interval[:, 0], interval, atol=1e-9)
    np.testing.assert_allclose(scores.probabilities, answer, atol=1e-9)
