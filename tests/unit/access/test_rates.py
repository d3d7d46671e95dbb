"""A rate lets through what it says, in one go or evenly; whoever waits as told is let through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise.access.rates import LocalLimiter, Rate

RATES = st.builds(Rate, st.integers(1, 50), st.sampled_from(["second", "minute", "hour", "day"]))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(RATES)
def test_a_whole_period_may_be_taken_in_one_go_and_not_one_more(rate: Rate) -> None:
    limiter = LocalLimiter(Clock())
    assert [limiter.wait("a", rate) for _ in range(rate.count)] == [0.0] * rate.count
    assert limiter.wait("a", rate) == pytest.approx(rate.seconds / rate.count)
    assert limiter.wait("b", rate) == 0, "each has its own"


@given(RATES, st.lists(st.floats(0, 2), max_size=60))
def test_no_period_has_more_than_twice_its_number_and_a_long_time_not_more_than_its_share(
    rate: Rate, pauses: list[float]
) -> None:
    clock = Clock()
    limiter, taken = LocalLimiter(clock), 0
    for pause in pauses:
        clock.now += pause * rate.seconds / rate.count
        taken += limiter.wait("a", rate) == 0
    passed = clock.now - Clock.now
    assert taken <= rate.count + passed * rate.count / rate.seconds + 1e-6


@given(RATES)
def test_who_waits_as_told_is_let_through(rate: Rate) -> None:
    clock = Clock()
    limiter = LocalLimiter(clock)
    for _ in range(2 * rate.count):
        seconds = limiter.wait("a", rate)
        if seconds:
            clock.now += seconds
            assert limiter.wait("a", rate) == 0


def test_a_rate_is_read_back_from_its_text() -> None:
    assert Rate.parse("100/second") == Rate(100, "second")
    assert str(Rate.parse("5/day")) == "5/day"


@pytest.mark.parametrize("text", ["", "100", "0/second", "-1/second", "1.5/second", "1/week", "1/second ", "1/seconds"])
def test_what_is_no_rate_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match="NUMBER/PERIOD is expected"):
        Rate.parse(text)
