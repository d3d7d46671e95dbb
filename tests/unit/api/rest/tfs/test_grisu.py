"""RapidJSON's digits: they read back as the same double."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from headwise.api.rest.tfs.grisu import digits

POSITIVE = st.floats(min_value=5e-324, max_value=1.7976931348623157e308)


@given(POSITIVE)
@settings(max_examples=1000)
def test_digits_read_back_as_the_same_number(value: float) -> None:
    found, exponent = digits(value)
    assert float(f"{found}e{exponent}") == value
    assert 1 <= len(found) <= 17


def test_the_last_digit_may_not_be_the_nearest() -> None:
    """As a real TensorFlow Serving prints it; the nearest seventeen digits end in 52."""
    assert digits(2.0**64) == ("18446744073709553", 3)
    assert digits(0.1) == ("1", -1)
    assert digits(5e-324) == ("5", -324)
