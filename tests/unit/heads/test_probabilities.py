"""What holds of every head's probabilities, whatever its network gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from headwise.heads import Head, Layout, Platt, Temperature
from strategies.heads import LEGAL, Case, build, cases

LINEAR = [cell for cell in LEGAL if cell[1] == "linear"]
DECLARED = [(layout, a) for layout, a in LEGAL if a in ("sigmoid", "softmax") and "ordinal" not in layout]
ORDINAL = [cell for cell in LEGAL if "ordinal" in cell[0]]
FLOAT_MAX = float(np.finfo(np.float64).max)


@given(cases())
def test_probabilities_lie_in_0_to_1_and_exclusive_classes_sum_to_1(case: Case) -> None:
    probabilities = case.head.predict(case.output).probabilities
    if probabilities is None:
        assert case.head.task == "regression" or case.head.is_margin
        return

    assert probabilities.shape == (len(case.output), len(case.head.labels))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    if case.head.task != "multilabel":
        rounding = 1e-3 if case.output.dtype == np.float16 else 1e-5
        exact = case.head.calibrator is not None or case.head.activation == "linear"
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-12 if exact else rounding)


@given(cases(cells=DECLARED, calibrated=False))
def test_declared_probabilities_are_returned_bit_for_bit(case: Case) -> None:
    prediction = case.head.predict(case.output)
    exact = case.output.astype(np.float64)
    answered = prediction.values if case.head.task == "regression" else prediction.probabilities

    assert answered is not None
    assert answered[..., -exact.shape[1] :].tobytes() == exact.tobytes()


@given(cases(cells=ORDINAL))
def test_an_ordinal_head_never_says_that_more_is_likelier_than_less(case: Case) -> None:
    prediction = case.head.predict(case.output)

    assert prediction.probabilities is not None
    assert (prediction.probabilities >= 0).all()
    assert prediction.indices is not None
    assert ((prediction.indices >= 0) & (prediction.indices < len(case.head.labels))).all()


def test_rounding_of_the_sigmoid_makes_no_negative_class() -> None:
    """Near z = -0.7 the float64 sigmoid falls by a bit at about one in twenty steps of z."""
    z = (np.float64(-0.7).view(np.int64) + np.arange(4000)).view(np.float64)
    head = Head("ordinal", "linear", ("low", "mid", "high"))

    prediction = head.predict(np.stack([z[:-1], z[1:]], axis=1))

    assert prediction.probabilities is not None
    assert prediction.probabilities.min() >= 0


def test_an_ordinal_answer_counts_the_steps_that_are_likely() -> None:
    head = Head("ordinal", "linear", ("none", "mild", "severe", "fatal"))

    prediction = head.predict([[-1.0, -2.0, -3.0], [2.0, 0.0, -1.0], [3.0, -1.0, 2.0], [3.0, 2.0, 1.0]])

    assert prediction.labels is not None
    assert list(prediction.labels) == ["none", "severe", "mild", "fatal"]


def test_conditional_steps_multiply() -> None:
    head = Head("ordinal", "sigmoid", ("none", "mild", "severe"), "conditional")

    prediction = head.predict([[0.8, 0.5]])

    assert prediction.probabilities is not None
    assert prediction.probabilities[0].tolist() == pytest.approx([0.2, 0.4, 0.4])
    assert prediction.indices is not None
    assert prediction.indices.tolist() == [1]


@pytest.mark.parametrize(("layout", "activation"), LINEAR)
@pytest.mark.parametrize("calibration", [None, Temperature(0.05), Platt(50, -9)], ids=["plain", "temperature", "platt"])
@pytest.mark.parametrize("size", [1e4, 3e38, FLOAT_MAX])
def test_logits_of_any_size_give_probabilities_and_no_warning(
    layout: Layout, activation: str, calibration: Temperature | Platt | None, size: float
) -> None:
    binary = layout in (Layout.BINARY_ONE_UNIT, Layout.BINARY_TWO_UNITS)
    fits = layout is not Layout.REGRESSION and (binary or not isinstance(calibration, Platt))
    units = 1 if layout is Layout.BINARY_ONE_UNIT else 2
    head = build(layout, "linear", units, calibration=calibration if fits else None)

    prediction = head.predict(np.array([[size, -size], [-size, size], [size, size]])[:, :units])

    for answer in (prediction.probabilities, prediction.values):
        assert answer is None or np.isfinite(answer).all()


@given(
    arrays(np.float32, st.integers(1, 40), elements=st.floats(-20, 20, width=32)),
    st.sampled_from([0.5, 0.1, 0.25, 0.9]),
)
def test_a_logit_and_a_sigmoid_export_decide_alike(z: NDArray[np.float32], cut: float) -> None:
    """Except where the float32 sigmoid itself rounds across the cut."""
    p = np.float32(1) / (np.float32(1) + np.exp(-z))
    by_logit = Head("binary", "linear", ("no", "yes")).predict(z, threshold=cut)
    by_sigmoid = Head("binary", "sigmoid", ("no", "yes")).predict(p, threshold=cut)

    assert by_logit.indices is not None
    assert by_sigmoid.indices is not None
    differ = by_logit.indices != by_sigmoid.indices
    assert (np.abs(p[differ] - np.float32(cut)) <= 4 * np.spacing(np.float32(cut))).all()
