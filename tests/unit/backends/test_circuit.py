"""A model server leaves the rotation when it does not answer, and comes back when it does."""

from hypothesis import given
from hypothesis import strategies as st

from headwise.backends.circuit import Circuit


def ejected(at: float = 0.0) -> Circuit:
    circuit = Circuit()
    circuit.check_refused("refused", at)
    return circuit


def test_a_check_that_cannot_connect_ejects_it_at_once() -> None:
    assert ejected().is_open


def test_one_unanswered_check_does_not_a_second_does() -> None:
    circuit = Circuit()
    circuit.check_unanswered("silent", 0)
    assert not circuit.is_open
    circuit.check_unanswered("silent", 1)
    assert circuit.is_open


def test_a_sign_of_life_between_unanswered_checks_keeps_it() -> None:
    circuit = Circuit()
    for now in range(10):
        circuit.check_unanswered("silent", now)
        circuit.answered(now)
    assert not circuit.is_open


def test_it_comes_back_with_the_first_check_that_is_answered_after_half_a_second() -> None:
    circuit = ejected()
    circuit.answered(0.4)
    assert circuit.is_open
    circuit.answered(0.5)
    assert not circuit.is_open


def test_one_that_comes_and_goes_stays_out_longer_up_to_five_seconds() -> None:
    circuit, now, pauses = Circuit(), 0.0, []
    for _ in range(6):
        circuit.check_refused("refused", now)
        out = now
        while circuit.is_open:
            now += 0.25
            circuit.answered(now)
        pauses.append(now - out)
    assert pauses == [0.5, 1, 2, 4, 5, 5]


def test_after_half_a_minute_in_rotation_an_ejection_is_a_first_one_again() -> None:
    circuit = ejected()
    circuit.answered(1)
    circuit.check_refused("refused", 2)
    circuit.answered(3)
    circuit.check_refused("refused", 40)
    circuit.answered(40.5)
    assert not circuit.is_open


@given(st.lists(st.sampled_from(["refused", "unanswered", "answered"])))
def test_whatever_happens_an_answered_check_brings_it_back_after_the_longest_pause(events: list[str]) -> None:
    circuit, now = Circuit(), 0.0
    for event in events:
        now += 0.3
        match event:
            case "refused":
                circuit.check_refused("refused", now)
            case "unanswered":
                circuit.check_unanswered("silent", now)
            case _:
                circuit.answered(now)
    circuit.answered(now + 5)
    assert not circuit.is_open
