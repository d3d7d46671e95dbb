"""The least expected cost: against the threshold that it implies, by hand, and which matrices are costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from headwise.errors import InvalidCardError
from headwise.heads import Activation, Cost, Head, Options, Temperature, Threshold
from headwise.heads.decisions import expected_costs

NO_YES, ABC = ("no", "yes"), ("a", "b", "c")
COST = st.floats(1e-3, 1e3)
STEPS = ((0, 1, 4), (1, 0, 1), (4, 1, 0))


def answers(head: Head, output: Any, options: Options | None = None) -> list[int]:
    indices = head.answer(np.asarray(output, np.float64), options or Options()).indices
    assert indices is not None
    found: list[int] = indices.tolist()
    return found


@given(COST, COST, arrays(np.float64, 6, elements=st.floats(-30, 30)), st.sampled_from(["linear", "sigmoid"]))
def test_two_classes_are_cut_at_the_threshold_that_their_costs_imply(
    false_positive: float, false_negative: float, z: NDArray[np.float64], activation: Activation
) -> None:
    cut = false_positive / (false_positive + false_negative)
    head = Head("binary", activation, NO_YES, decision=Cost(((0, false_positive), (false_negative, 0))))
    numbers = np.append(z, np.log(cut / (1 - cut)))
    output = numbers if activation == "linear" else np.append(1 / (1 + np.exp(-z)), cut)

    assert answers(head, output) == answers(replace(head, decision=Threshold(cut)), output)
    assert answers(head, output)[-1] == 1, "positive at the cut, as every binary head is"


@given(COST, COST, COST, COST, st.floats(0.001, 0.999))
def test_the_answer_costs_no_more_than_the_other_would(
    right: float, over: float, missed: float, found: float, p: float
) -> None:
    costs = ((right, right + over), (found + missed, found))
    assume(all(row[at] < row[1 - at] for at, row in enumerate(costs)))
    (index,) = answers(Head("binary", "sigmoid", NO_YES, decision=Cost(costs)), [p])
    expected = np.array([1 - p, p]) @ np.array(costs)

    assert expected[index] <= expected[1 - index] * (1 + 1e-9)


def test_many_classes_are_answered_by_hand() -> None:
    head = Head("multiclass", "softmax", ABC, decision=Cost(((0, 1, 10), (1, 0, 10), (1, 1, 0))))
    # Expected costs: (.5, .5, 9) a tie that goes to the lowest index, (.9, .9, 5) likewise, (.96, .96, 1.0), (1, 1, 0).
    rows = [[0.5, 0.5, 0.0], [0.25, 0.25, 0.5], [0.1, 0.0, 0.9], [0.0, 0.0, 1.0]]

    assert answers(head, rows) == [0, 0, 0, 2]


def test_an_ordinal_head_minimises_over_its_classes() -> None:
    """Squared distances answer in the middle, where the median answers at an end."""
    head = Head("ordinal", "sigmoid", ABC, decision=Cost(STEPS))

    assert answers(head, [[0.45, 0.4], [0.1, 0.1], [0.9, 0.9]]) == [1, 0, 2]
    assert answers(replace(head, decision=None), [[0.45, 0.4]]) == [0]


def test_equal_costs_are_argmax() -> None:
    z = np.random.default_rng(0).normal(0, 5, (500, 4))
    same = Cost(tuple(tuple(float(i != j) for j in range(4)) for i in range(4)))
    head = Head("multiclass", "linear", (*ABC, "d"), calibration=Temperature(2.0))

    assert answers(replace(head, decision=same), z) == answers(head, z)


@pytest.mark.parametrize("classes", [2, 3, 17, 200])
def test_expected_costs_are_sums_and_those_of_a_row_its_own(classes: int) -> None:
    rng = np.random.default_rng(classes)
    p, costs = rng.dirichlet(np.ones(classes), 60), rng.random((classes, classes))
    together = expected_costs(p, costs)

    np.testing.assert_allclose(together, p @ costs, rtol=1e-12)
    for at in (0, 1, 26, 59):
        assert expected_costs(p[at : at + 1], costs).tobytes() == together[at].tobytes()


def test_a_threshold_of_a_request_replaces_the_cost_rule() -> None:
    head = Head("binary", "sigmoid", NO_YES, decision=Cost(((0, 1), (9, 0))))
    by_cost, by_cut = head.resolve(Options()), head.resolve(Options(0.5))

    assert (by_cost.rule, by_cost.cuts, by_cost.cost, by_cost.source) == ("cost", (0.1,), head.decision, "card")
    assert (by_cut.rule, by_cut.cuts, by_cut.cost, by_cut.source) == ("threshold", (0.5,), None, "request")
    assert answers(head, [0.1, 0.4]) == [1, 1]
    assert answers(head, [0.1, 0.4], Options(0.5)) == [0, 0]


@pytest.mark.parametrize(
    ("costs", "text"),
    [
        (None, "costs is None: it must be a list of rows of numbers"),
        ((1, 2), "costs[0] is 1: it must be a list of numbers"),
        ((("0", 1), (5, 0)), "costs[0][0] is '0': it must be a finite number"),
        ((), "costs has 0 rows of no numbers: it must be square"),
        (((0,),), "costs has 1 rows of 1 numbers"),
        (((0, 1), (1, 0), (1, 1)), "costs has 3 rows of 2, 2, 2 numbers: it must be square, a row for each true class"),
        (((0, -1), (1, 0)), "costs[0][1] is -1.0: it must be 0 or more"),
        (((0, 1), (float("inf"), 0)), "costs[1][0] is inf: it must be a finite number"),
        (((0, float("nan")), (1, 0)), "costs[0][1] is nan"),
        (((5, 0), (0, 1)), "costs[0] makes the right answer dearer than a wrong one"),
        (((0, 0), (0, 0)), "costs make class 0 the cheapest answer whatever is true"),
        (((0, 0), (5, 0)), "costs make class 1 the cheapest answer whatever is true"),
        (((0, 1, 1), (0, 0, 1), (0, 1, 0)), "costs make class 0 the cheapest answer whatever is true"),
        (((0, 1e-300), (1e300, 0)), "the threshold that costs imply is 0.0: it must lie between 0 and 1"),
    ],
)
def test_what_are_no_costs_is_refused(costs: Any, text: str) -> None:
    with pytest.raises(InvalidCardError) as caught:
        Cost(costs)

    assert text in str(caught.value)


def test_classes_that_may_be_confused_for_nothing_are_costs() -> None:
    head = Head("multiclass", "softmax", ABC, decision=Cost(((0, 0, 1), (0, 0, 1), (1, 1, 0))))

    assert answers(head, [[0.3, 0.3, 0.4]]) == [0], "two of three that cost the same outweigh the likeliest"


def test_large_costs_do_not_overflow() -> None:
    assert Cost(((0, 1e308), (1e308, 0))).cut == 0.5


def test_costs_may_be_an_array_and_are_frozen() -> None:
    cost = Cost(np.array([[0, 1], [2, 0]]))  # type: ignore[arg-type]

    assert cost == Cost(((0.0, 1.0), (2.0, 0.0)))
    assert hash(cost.costs)
