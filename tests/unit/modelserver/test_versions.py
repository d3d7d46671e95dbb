"""Which versions are wanted and what happens next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise.modelserver.versions import (
    All,
    Latest,
    Load,
    Policy,
    Specific,
    State,
    Unload,
    aspired,
    next_step,
    version_folders,
)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("1", {1}),
        ("00000123", {123}),
        ("9223372036854775807", {(1 << 63) - 1}),
        ("9223372036854775808", set()),
        ("-1", set()),
        ("1.0", set()),
        ("v1", set()),
        ("١", set()),
        ("1 ", set()),
        ("", set()),
    ],
)
def test_a_folder_is_a_version_if_its_whole_name_is_a_64_bit_number(name: str, numbers: set[int]) -> None:
    assert version_folders([name]).keys() == numbers


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Latest(), {7}),
        (Latest(0), {7}),
        (Latest(2), {7, 5}),
        (Latest(9), {1, 5, 7}),
        (All(), {1, 5, 7}),
        (Specific(frozenset({1, 2})), {1}),
    ],
)
def test_the_policy_chooses_among_the_versions_found(policy: Policy, expected: set[int]) -> None:
    assert aspired([1, 5, 7], policy) == expected
    assert aspired([], policy) == frozenset()


START, LOADING, AVAILABLE, UNLOADING, END = State


@pytest.mark.parametrize(
    ("states", "wanted", "step"),
    [
        ({}, set(), None),
        ({1: START, 2: START}, {1, 2}, Load(2)),
        ({1: AVAILABLE, 2: START}, {2}, Load(2)),
        ({1: AVAILABLE, 2: LOADING}, {2}, None),
        ({1: AVAILABLE, 2: AVAILABLE}, {2}, Unload(1)),
        ({1: AVAILABLE, 2: END}, {2}, None),
        ({1: AVAILABLE, 2: AVAILABLE, 3: LOADING}, {2, 3}, None),
        ({1: AVAILABLE, 2: AVAILABLE, 3: END}, {2, 3}, Unload(1)),
        ({1: AVAILABLE, 2: AVAILABLE}, set(), Unload(1)),
        ({1: UNLOADING, 2: END}, set(), None),
    ],
)
def test_new_versions_load_before_old_ones_go(
    states: dict[int, State], wanted: set[int], step: Load | Unload | None
) -> None:
    assert next_step(states, frozenset(wanted)) == step


@given(
    st.dictionaries(st.integers(1, 6), st.sampled_from([AVAILABLE, END])),
    st.frozensets(st.integers(1, 6), min_size=1),
    st.frozensets(st.integers(1, 6)),
)
def test_a_model_that_serves_never_stops_while_versions_are_wanted(
    states: dict[int, State], wanted: frozenset[int], broken: frozenset[int]
) -> None:
    states = states | {number: START for number in wanted if states.get(number) is not AVAILABLE}
    served = AVAILABLE in states.values()
    while step := next_step(states, wanted):
        if isinstance(step, Load):
            states[step.version] = END if step.version in broken else AVAILABLE
        else:
            states[step.version] = END
        assert AVAILABLE in states.values() or not served
    loaded = {number for number, state in states.items() if state is AVAILABLE}
    assert loaded <= wanted or not loaded & wanted
