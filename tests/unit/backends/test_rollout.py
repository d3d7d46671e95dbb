"""Versions of several model servers: shown when all have them, asked of those that have them."""

from typing import Any

from headwise.backends.rollout import Rollout, Statuses
from headwise.repository.model_spec import ModelSpec, VersionState
from headwise.tfserving import model_service_pb2

AVAILABLE, LOADING, END = (
    model_service_pb2.ModelVersionStatus.State.Value(name) for name in ("AVAILABLE", "LOADING", "END")
)


def says(**versions: Any) -> Statuses:
    """`v1=AVAILABLE`: what one server says."""
    return {
        int(name[1:]): model_service_pb2.ModelVersionStatus(version=int(name[1:]), state=state)
        for name, state in versions.items()
    }


def shown(together: Statuses) -> dict[int, str]:
    return {number: VersionState(status.state).name for number, status in together.items()}


def test_a_new_version_is_shown_when_the_last_has_loaded_it() -> None:
    rollout: Rollout[str] = Rollout()
    one = rollout.report("m", {"a": says(v1=AVAILABLE), "b": says(v1=AVAILABLE)}, 0)
    two = rollout.report("m", {"a": says(v1=AVAILABLE, v2=AVAILABLE), "b": says(v1=AVAILABLE, v2=LOADING)}, 1)
    three = rollout.report("m", {"a": says(v2=AVAILABLE), "b": says(v2=AVAILABLE)}, 2)
    assert shown(one) == {1: "AVAILABLE"}
    assert shown(two) == {1: "AVAILABLE", 2: "LOADING"}
    assert shown(three) == {2: "AVAILABLE"}


def test_a_server_that_has_not_heard_of_it_counts_as_loading() -> None:
    rollout: Rollout[str] = Rollout()
    assert shown(rollout.report("m", {"a": says(v2=AVAILABLE), "b": says()}, 0)) == {2: "LOADING"}


def test_servers_that_give_the_old_version_up_do_not_leave_the_last_one_with_all_the_load() -> None:
    rollout: Rollout[str] = Rollout()
    servers = "abcd"
    rollout.report("m", {server: says(v1=AVAILABLE) for server in servers}, 0)
    most = []
    for done in range(1, 5):
        reports = {one: says(v2=AVAILABLE) if n < done else says(v1=AVAILABLE) for n, one in enumerate(servers)}
        together = shown(rollout.report("m", reports, done))
        newest = max(number for number, state in together.items() if state == "AVAILABLE")
        most.append(len(rollout.holding(ModelSpec("m", newest), list(servers))))
    assert min(most) >= 2


def test_a_server_that_failed_to_load_it_holds_nobody_up_and_is_not_asked() -> None:
    rollout: Rollout[str] = Rollout()
    together = rollout.report("m", {"a": says(v2=AVAILABLE), "b": says(v2=END)}, 0)
    assert shown(together) == {2: "AVAILABLE"}
    assert rollout.holding(ModelSpec("m", 2), ["a", "b"]) == ["a"]


def test_after_ten_seconds_those_that_have_it_serve_it() -> None:
    rollout: Rollout[str] = Rollout()
    reports = {"a": says(v2=AVAILABLE), "b": says(v2=LOADING)}
    assert shown(rollout.report("m", reports, 0)) == {2: "LOADING"}
    assert shown(rollout.report("m", reports, 9.9)) == {2: "LOADING"}
    assert shown(rollout.report("m", reports, 10)) == {2: "AVAILABLE"}


def test_a_server_that_comes_back_and_loads_takes_nothing_away_and_is_not_asked() -> None:
    rollout: Rollout[str] = Rollout()
    rollout.report("m", {"a": says(v1=AVAILABLE), "b": says(v1=AVAILABLE)}, 0)
    rollout.forget("b")
    assert rollout.holding(ModelSpec("m", 1), ["a", "b"]) == ["a"]
    together = rollout.report("m", {"a": says(v1=AVAILABLE), "b": says(v1=LOADING)}, 1)
    assert shown(together) == {1: "AVAILABLE"}
    assert rollout.holding(ModelSpec("m", 1), ["a", "b"]) == ["a"]
    rollout.report("m", {"a": says(v1=AVAILABLE), "b": says(v1=AVAILABLE)}, 2)
    assert rollout.holding(ModelSpec("m", 1), ["a", "b"]) == ["a", "b"]


def test_without_version_those_are_asked_that_hold_the_largest_shown() -> None:
    rollout: Rollout[str] = Rollout()
    rollout.report("m", {"a": says(v1=AVAILABLE, v2=AVAILABLE), "b": says(v1=AVAILABLE, v2=LOADING)}, 0)
    assert rollout.holding(ModelSpec("m"), ["a", "b"]) == ["a", "b"]
    rollout.report("m", {"a": says(v1=AVAILABLE, v2=AVAILABLE), "b": says(v1=AVAILABLE, v2=LOADING)}, 10)
    assert rollout.holding(ModelSpec("m"), ["a", "b"]) == ["a"]


def test_of_a_model_that_nobody_reported_all_are_asked() -> None:
    rollout: Rollout[str] = Rollout()
    assert rollout.holding(ModelSpec("m"), ["a", "b"]) == ["a", "b"]
    rollout.report("m", {"a": says(v1=AVAILABLE), "b": says(v1=AVAILABLE)}, 0)
    assert rollout.holding(ModelSpec("m", 7), ["a", "b"]) == ["a", "b"]


def test_what_all_failed_to_load_is_told_so() -> None:
    rollout: Rollout[str] = Rollout()
    assert shown(rollout.report("m", {"a": says(v2=END), "b": says(v2=END)}, 0)) == {2: "END"}
