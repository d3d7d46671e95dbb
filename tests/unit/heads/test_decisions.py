"""From probabilities to labels: thresholds and who set them, argmax, labels that are on, top-k."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from headwise.errors import InvalidRequestError
from headwise.heads import Applied, Argmax, Head, Options, PerLabel, Temperature, Threshold
from headwise.heads.links import logit
from strategies.heads import LEGAL, Case, cases

SCREENED = Threshold(0.6, {"screening": 0.1})
NO_YES = ("no", "yes")
ABC = ("a", "b", "c")
BINARY = Head("binary", "sigmoid", NO_YES)
CARD = Head("binary", "sigmoid", NO_YES, decision=SCREENED)
MULTILABEL = Head("multilabel", "sigmoid", ABC)
PER_LABEL = Head("multilabel", "sigmoid", ABC, decision=PerLabel({"a": 0.1, "c": 0.9, "b": 0.5}))
MULTICLASS = Head("multiclass", "linear", ABC)
ORDINAL = Head("ordinal", "linear", ABC)
REGRESSION = Head("regression", "linear")
MARGIN = Head("binary", "tanh", NO_YES)
RANKED = [(layout, activation) for layout, activation in LEGAL if layout != "regression" and activation != "tanh"]


@pytest.mark.parametrize(
    ("head", "threshold", "applied"),
    [
        (BINARY, None, Applied("threshold", "default", (0.5,))),
        (CARD, None, Applied("threshold", "card", (0.6,))),
        (CARD, 0.3, Applied("threshold", "request", (0.3,))),
        (CARD, "screening", Applied("threshold", "request", (0.1,), "screening")),
        (BINARY, 0.3, Applied("threshold", "request", (0.3,))),
        (MULTILABEL, None, Applied("threshold", "default", (0.5, 0.5, 0.5))),
        (MULTILABEL, 0.2, Applied("threshold", "request", (0.2, 0.2, 0.2))),
        (PER_LABEL, None, Applied("per_label", "card", (0.1, 0.5, 0.9))),
        (PER_LABEL, 0.2, Applied("threshold", "request", (0.2, 0.2, 0.2))),
        (MULTICLASS, None, Applied("argmax", "default")),
        (Head("multiclass", "linear", ABC, decision=Argmax()), None, Applied("argmax", "card")),
        (ORDINAL, None, Applied("threshold", "default", (0.5,))),
        (Head("ordinal", "linear", ABC, decision=Threshold(0.3)), None, Applied("threshold", "card", (0.3,))),
        (REGRESSION, None, Applied(None, "default")),
        (MARGIN, None, Applied("threshold", "default", (0.0,))),
    ],
)
def test_the_request_speaks_before_the_card_and_the_card_before_the_default(
    head: Head, threshold: float | str | None, applied: Applied
) -> None:
    assert head.resolve(Options(threshold)) == applied


@pytest.mark.parametrize(("threshold", "expected"), [(None, [0, 1, 1]), (0.3, [1, 1, 1]), ("screening", [1, 1, 1])])
def test_the_threshold_that_was_chosen_decides(threshold: float | str | None, expected: list[int]) -> None:
    prediction = CARD.predict(np.array([0.3, 0.6, 0.9]), threshold=threshold)

    assert prediction.indices is not None
    assert prediction.indices.tolist() == expected
    assert prediction.applied == CARD.resolve(Options(threshold))


def test_each_label_has_its_own_threshold() -> None:
    prediction = PER_LABEL.predict([[0.1, 0.5, 0.89], [0.09, 0.49, 0.9]])

    assert prediction.decisions is not None
    assert prediction.decisions.tolist() == [[True, True, False], [False, False, True]]
    assert prediction.labels == (("a", "b"), ("c",))
    assert prediction.indices is None


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_a_probability_at_the_cut_is_positive(cut: float) -> None:
    at_cut, below = np.array([cut]), np.nextafter(np.array([cut]), 0)

    for output, expected in ((at_cut, 1), (below, 0)):
        prediction = BINARY.predict(output, threshold=cut)
        assert prediction.indices is not None
        assert prediction.indices.tolist() == [expected]


@given(st.floats(1e-9, 1 - 1e-9))
def test_a_logit_is_compared_as_a_logit(cut: float) -> None:
    z = logit(np.array([cut]))
    head = Head("binary", "linear", NO_YES)

    for output, expected in ((z, 1), (np.nextafter(z, -np.inf), 0)):
        prediction = head.predict(output, threshold=cut)
        assert prediction.indices is not None
        assert prediction.indices.tolist() == [expected]


def test_ties_go_to_the_lowest_index() -> None:
    prediction = MULTICLASS.predict([[1, 1, 0], [0, 2, 2], [3, 3, 3]], top_k=3)

    assert prediction.indices is not None
    assert prediction.indices.tolist() == [0, 1, 0]
    assert prediction.top is not None
    assert prediction.top.tolist() == [[0, 1, 2], [1, 2, 0], [0, 1, 2]]


def test_a_long_list_of_ties_keeps_the_order_of_the_labels() -> None:
    """Short lists would: sorts that are not stable only show beyond a few elements."""
    labels = tuple(f"class {index}" for index in range(200))

    prediction = Head("multiclass", "linear", labels).predict([[1.0, 0.0] * 100], top_k=200)

    assert prediction.top is not None
    assert prediction.top.tolist() == [[*range(0, 200, 2), *range(1, 200, 2)]]


@given(cases(cells=RANKED), st.integers(1, 9))
def test_top_k_lists_the_most_probable_classes_in_order(case: Case, count: int) -> None:
    prediction = case.head.predict(case.output, top_k=count)

    assert prediction.top is not None
    assert prediction.probabilities is not None
    classes = len(case.head.labels)
    assert prediction.top.shape == (len(case.output), min(count, classes))
    listed = np.take_along_axis(prediction.probabilities, prediction.top, axis=1)
    assert (np.diff(listed, axis=1) <= 1e-15).all()
    assert all(len(set(row)) == len(row) for row in prediction.top.tolist())
    if case.head.task == "multiclass":
        assert np.array_equal(prediction.top[:, 0], prediction.indices)  # type: ignore[arg-type]


@given(arrays(np.float64, (4, 3), elements=st.floats(-1e4, 1e4)), st.sampled_from([None, Temperature(3.0)]))
def test_a_class_that_wins_by_a_hair_is_also_first_in_the_list(
    z: NDArray[np.float64], calibration: Temperature | None
) -> None:
    """Softmax rounds such classes to one probability, or to zero; logits still tell them apart."""
    output = np.concatenate([z, [[0, 1e-17, 0], [1000, 0, 500]]])

    prediction = Head("multiclass", "linear", ABC, calibration=calibration).predict(output, top_k=3)

    assert prediction.top is not None
    assert prediction.indices is not None
    assert prediction.top[:, 0].tolist() == prediction.indices.tolist()
    if calibration is None:
        assert prediction.indices.tolist() == output.argmax(axis=1).tolist()
        assert prediction.top[-1].tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("head", "options", "text"),
    [
        (MULTICLASS, {"threshold": 0.3}, "a multiclass head takes no threshold: only binary and multilabel heads do"),
        (ORDINAL, {"threshold": 0.3}, "a ordinal head takes no threshold"),
        (REGRESSION, {"threshold": "x"}, "a regression head takes no threshold"),
        (REGRESSION, {"top_k": 1}, "a regression head has no classes for top_k to rank"),
        (MARGIN, {"threshold": 0.3}, "a tanh margin without calibrator has no probability"),
        (MARGIN, {"top_k": 1}, "threshold, top_k, decision, abstain and coverage do not apply to it"),
        (CARD, {"threshold": "nope"}, "no threshold is named 'nope'; the card names: 'screening'"),
        (BINARY, {"threshold": "screening"}, "no threshold is named 'screening'; the card names: none"),
        (PER_LABEL, {"threshold": "a"}, "no threshold is named 'a'; the card names: none"),
        *(
            (BINARY, {"threshold": cut}, f"threshold is {cut}: it must lie between 0 and 1, both excluded")
            for cut in (0, 1, 0.0, 1.0, -0.1, 1.5, float("nan"), float("inf"))
        ),
        (BINARY, {"threshold": True}, "threshold is True: it must be a finite number"),
        (BINARY, {"top_k": 0}, "top_k is 0: it must be a whole number from 1"),
        (MULTICLASS, {"top_k": -1}, "top_k is -1"),
    ],
)
def test_options_that_do_not_apply_are_refused(head: Head, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        head.predict(np.zeros((1, 1)), **options)

    assert text in str(caught.value)
