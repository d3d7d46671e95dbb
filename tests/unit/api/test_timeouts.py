"""A request says how long it may take, and gets no more than the bounds allow."""

import pytest

from headwise.api.timeouts import Timeouts
from headwise.errors import InvalidRequestError

TIMEOUTS = Timeouts(default=2, longest=10)


@pytest.mark.parametrize(
    ("text", "seconds"), [("", 2), ("0.25", 0.25), ("5", 5), ("10.5", 10), ("1e3", 10), ("1e-9", 0.001)]
)
def test_what_it_says_counts_within_bounds(text: str, seconds: float) -> None:
    assert TIMEOUTS.of_header(text) == seconds


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1s", "soon", "1,5"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"header headwise-timeout: .* is no number of seconds above 0"):
        TIMEOUTS.of_header(text)


def test_a_deadline_that_has_passed_leaves_a_millisecond_to_say_so() -> None:
    assert TIMEOUTS.of(-3.0) == 0.001
