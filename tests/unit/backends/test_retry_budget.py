"""Second tries are bounded by first ones."""

from hypothesis import given
from hypothesis import strategies as st

from headwise.backends.retry_budget import RetryBudget


def test_a_few_are_there_from_the_start() -> None:
    budget = RetryBudget()
    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]


def test_when_all_fail_a_fifth_is_tried_again() -> None:
    budget = RetryBudget()
    tried = 0
    for _ in range(10_000):
        budget.earn()
        tried += budget.spend()
    assert 2000 <= tried <= 2010


def test_what_was_saved_is_no_more_than_a_hundred() -> None:
    budget = RetryBudget()
    for _ in range(100_000):
        budget.earn()
    assert sum(budget.spend() for _ in range(1000)) == 100


@given(st.lists(st.booleans()))
def test_never_more_than_a_fifth_and_what_was_there(events: list[bool]) -> None:
    budget, earned, spent = RetryBudget(), 0, 0
    for earn in events:
        if earn:
            budget.earn()
            earned += 1
        else:
            spent += budget.spend()
    assert spent <= 0.2 * earned + 10 + 1e-6
