"""What rows cost, told apart from what a call costs in any case."""

import pytest

from headwise.batching.pace import Pace


def loaded(pace: Pace, rows: int, took: float, *, beside: int = 1, times: int = 100) -> Pace:
    for _ in range(times):
        pace.learn(rows, took, beside=beside, quiet=False)
    return pace


def quiet(took: float) -> Pace:
    pace = Pace()
    pace.learn(1, took, beside=1, quiet=True)
    return pace


def test_before_anything_was_seen_rows_cost_nothing() -> None:
    assert Pace().a_row == 0
    assert quiet(5.0).a_row == 0


def test_rows_of_a_model_that_works_them_off_one_by_one() -> None:
    assert loaded(quiet(0.01), 25, 0.26).a_row == pytest.approx(0.01, rel=0.01)


def test_rows_of_a_model_whose_calls_take_as_long_whatever_they_carry() -> None:
    assert loaded(quiet(0.05), 64, 0.05).a_row == 0


def test_two_calls_at_a_time_that_slow_each_other_down_count_once() -> None:
    assert loaded(quiet(0.01), 25, 0.51, beside=2).a_row == pytest.approx(0.01, rel=0.01)


def test_a_load_that_lasts_does_not_become_the_measure() -> None:
    pace = loaded(quiet(0.01), 25, 0.26, times=10_000)
    assert pace.a_row == pytest.approx(0.01, rel=0.01)


def test_without_a_quiet_call_all_is_the_work_of_the_rows() -> None:
    """A gateway that starts under load must bound it, too."""
    assert loaded(Pace(), 25, 0.25).a_row == pytest.approx(0.01, rel=0.01)


def test_a_first_call_that_was_slow_does_not_hide_the_work_of_the_rows() -> None:
    pace = quiet(1.0)
    pace.learn(1, 0.01, beside=2, quiet=False)
    assert loaded(pace, 25, 0.26).a_row == pytest.approx(0.01, rel=0.01)


def test_quiet_calls_let_an_old_load_be_forgotten() -> None:
    pace = loaded(quiet(0.02), 1, 4.0)
    for _ in range(60):
        pace.learn(1, 0.02, beside=1, quiet=True)
    assert pace.a_row < 0.01


def test_one_slow_call_is_no_load() -> None:
    pace = quiet(0.002)
    loaded(pace, 4, 0.002)
    pace.learn(4, 0.05, beside=2, quiet=False)
    assert pace.a_row < 0.002
