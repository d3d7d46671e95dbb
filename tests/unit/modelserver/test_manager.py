"""Versions come, go and are handed out."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from tensorflow_serving.apis.model_pb2 import ModelSpec

from headwise.modelserver.catalogue import Catalogue
from headwise.modelserver.config import ModelConfig, ModelSource, fixed_models, models_in_folder
from headwise.modelserver.manager import Lifecycle, ModelManager
from headwise.modelserver.servable import Servable
from headwise.modelserver.status import StatusError
from headwise.modelserver.versions import Latest, Policy, Specific, State
from support.server_process import eventually

FAST = Lifecycle(poll_wait_s=0.01, max_load_retries=0)
LONG_S = 30.0


class Stub(Servable):
    """A servable without a model, which notes that it was closed."""

    def __init__(self, name: str, version: int) -> None:
        self.name = name
        self.version = version
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Loads:
    """A loader that fails as often as it is told to, and notes what it loaded."""

    def __init__(self, **failures: int) -> None:
        self.failures = {int(name.removeprefix("v")): count for name, count in failures.items()}
        self.loaded: list[Stub] = []

    def __call__(self, name: str, version: int, path: Path) -> Servable:
        if self.failures.get(version, 0):
            self.failures[version] -= 1
            raise StatusError(grpc.StatusCode.DATA_LOSS, f"broken {path.name}")
        self.loaded.append(Stub(name, version))
        return self.loaded[-1]


class World:
    """A manager at work on a folder of versions."""

    def __init__(self, catalogue: Catalogue, manager: ModelManager, base: Path) -> None:
        self.catalogue, self.manager, self.base = catalogue, manager, base

    def publish(self, *versions: int) -> None:
        for version in versions:
            (self.base / str(version)).mkdir(parents=True)

    def states(self, name: str = "m") -> dict[int, State]:
        try:
            return {version.number: version.state for version in self.catalogue.statuses(name, None)}
        except StatusError:
            return {}

    def await_states(self, expected: dict[int, State], name: str = "m") -> None:
        with self.catalogue.changed:
            self.catalogue.changed.wait_for(lambda: self.states(name) == expected, LONG_S)
            assert self.states(name) == expected

    def config(self, policy: Policy = Latest(), **labels: int) -> ModelConfig:  # noqa: B008
        return ModelConfig("m", self.base, policy, labels)


@contextmanager
def world(
    tmp_path: Path,
    loads: Loads,
    lifecycle: Lifecycle = FAST,
    policy: Policy | None = None,
    source: ModelSource | None = None,
    versions: tuple[int, ...] = (),
) -> Iterator[World]:
    catalogue = Catalogue()
    made = World(catalogue, ModelManager(catalogue, loads, lifecycle), tmp_path / "m")
    made.publish(*versions)
    made.manager.start(source or fixed_models((made.config(policy or Latest()),)))
    try:
        yield made
    finally:
        made.manager.stop(LONG_S)
        assert all(stub.closed for stub in loads.loaded)


START, LOADING, AVAILABLE, UNLOADING, END = State


def test_the_latest_version_is_swapped_in(tmp_path: Path) -> None:
    with world(tmp_path, Loads(), versions=(1, 2)) as made:
        made.await_states({2: AVAILABLE})
        made.publish(3)
        made.await_states({3: AVAILABLE, 2: END})


def test_a_version_that_fails_leaves_its_predecessor_serving(tmp_path: Path) -> None:
    with world(tmp_path, Loads(v2=1), versions=(1,)) as made:
        made.await_states({1: AVAILABLE})
        made.publish(2)
        made.await_states({1: AVAILABLE, 2: END})
        (failed,) = made.catalogue.statuses("m", 2)
        assert str(failed.error) == "DATA_LOSS: broken 2"
        with made.catalogue.lease(ModelSpec(name="m")) as servable:
            assert servable.version == 1


def test_whatever_a_loader_raises_fails_that_model_only(tmp_path: Path) -> None:
    class OddLoads(Loads):
        def __call__(self, name: str, version: int, path: Path) -> Servable:
            if version == 1:
                raise AttributeError("odd graph")
            return super().__call__(name, version, path)

    with world(tmp_path, OddLoads(), versions=(1,)) as made:
        made.await_states({1: END})
        assert "AttributeError: odd graph" in str(made.catalogue.statuses("m", 1)[0].error)
        made.publish(2)
        made.await_states({1: END, 2: AVAILABLE})


def test_a_failed_load_is_tried_again(tmp_path: Path) -> None:
    with world(tmp_path, Loads(v1=2), Lifecycle(0.01, 2, 0.01), versions=(1,)) as made:
        made.await_states({1: AVAILABLE})


def test_a_version_that_is_taken_away_while_it_waits_for_a_retry_ends(tmp_path: Path) -> None:
    with world(tmp_path, Loads(v2=99), Lifecycle(0.01, 99, LONG_S), versions=(1, 2)) as made:
        made.await_states({2: LOADING})
        (made.base / "2").rmdir()
        made.await_states({1: AVAILABLE, 2: END})


def test_a_version_that_failed_is_loaded_when_it_is_published_again(tmp_path: Path) -> None:
    with world(tmp_path, Loads(v1=1), versions=(1,)) as made:
        made.await_states({1: END})
        (made.base / "1").rename(made.base / "away")
        eventually(lambda: not made.catalogue.statuses("m", 1)[0].aspired)
        (made.base / "away").rename(made.base / "1")
        made.await_states({1: AVAILABLE})


def test_a_base_path_that_is_missing_changes_nothing_and_stops_nothing(tmp_path: Path) -> None:
    source = fixed_models((ModelConfig("gone", tmp_path / "gone"), ModelConfig("m", tmp_path / "m")))
    with world(tmp_path, Loads(), source=source, versions=(1,)) as made:
        made.await_states({1: AVAILABLE})
        assert made.states("gone") == {}
        made.base.rename(tmp_path / "moved")
        made.publish(2)
        made.await_states({2: AVAILABLE, 1: END})


def test_what_cannot_be_read_is_logged_once_with_the_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bases = {"gone": tmp_path / "gone", "odd": Path("/a\0b"), "m": tmp_path / "m"}
    source = fixed_models(tuple(ModelConfig(name, base) for name, base in bases.items()))
    with world(tmp_path, Loads(), source=source, versions=(1,)) as made:
        for version in (2, 3):
            made.publish(version)
            eventually(lambda: made.states().get(version) is AVAILABLE)  # noqa: B023 called at once
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert told == [
        f"cannot look for versions of gone: [Errno 2] No such file or directory: '{tmp_path}/gone'",
        "cannot look for versions of odd: embedded null byte",
    ]


def test_a_folder_of_models_that_goes_and_comes_back_unloads_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = tmp_path / "models"
    (models / "m" / "1").mkdir(parents=True)
    with world(tmp_path, Loads(), source=models_in_folder(models)) as made:
        made.await_states({1: AVAILABLE})
        models.rename(tmp_path / "away")
        eventually(lambda: "cannot look for models" in caplog.text)
        (tmp_path / "away").rename(models)
        (models / "m" / "2").mkdir()
        made.await_states({1: AVAILABLE, 2: AVAILABLE})


def test_calls_on_a_version_that_goes_are_finished_first(tmp_path: Path) -> None:
    loads = Loads()
    with world(tmp_path, loads, versions=(1,)) as made:
        made.await_states({1: AVAILABLE})
        with made.catalogue.lease(ModelSpec(name="m")) as servable:
            made.publish(2)
            made.await_states({2: AVAILABLE, 1: UNLOADING})
            assert servable is loads.loaded[0]
            assert not loads.loaded[0].closed
            with pytest.raises(StatusError, match=r"Specific\(m, 1\)"):
                _lease(made, version=1)
        made.await_states({2: AVAILABLE, 1: END})
        assert loads.loaded[0].closed


def test_models_that_appear_later_are_picked_up(tmp_path: Path) -> None:
    with world(tmp_path, Loads(), source=models_in_folder(tmp_path)) as made:
        assert made.states() == {}
        made.publish(1, 2, 3)
        with made.catalogue.changed:
            made.catalogue.changed.wait_for(lambda: made.states().get(3) is AVAILABLE, LONG_S)
        with made.catalogue.lease(ModelSpec(name="m")) as servable:
            assert servable.version == 3


def test_a_reload_waits_for_new_models_and_names_those_that_fail(tmp_path: Path) -> None:
    with world(tmp_path, Loads(v7=1), versions=(1,)) as made:
        (tmp_path / "new" / "7").mkdir(parents=True)
        (tmp_path / "empty").mkdir()
        new, empty = ModelConfig("new", tmp_path / "new"), ModelConfig("empty", tmp_path / "empty")
        with pytest.raises(StatusError) as caught:
            made.manager.reload((made.config(), new, empty))
        assert caught.value.code is grpc.StatusCode.UNKNOWN
        assert caught.value.message.startswith(
            "2 model(s) did not become available: {{{name: new version: 7} due to error: DATA_LOSS: broken 7}, "
        )
        made.manager.reload((made.config(),))
        made.manager.reload((made.config(), new))
        assert made.states("new") == {7: AVAILABLE}


def test_a_label_points_to_a_version_that_serves(tmp_path: Path) -> None:
    with world(tmp_path, Loads(), policy=Specific(frozenset({1, 2})), versions=(1, 2)) as made:
        made.await_states({1: AVAILABLE, 2: AVAILABLE})
        both = Specific(frozenset({1, 2}))
        made.manager.reload((made.config(both, stable=1),))
        assert _lease(made, label="stable") == 1
        with pytest.raises(StatusError, match="version 9 of model m, which is not currently available"):
            made.manager.reload((made.config(both, stable=9),))
        assert _lease(made, label="stable") == 1


def test_where_it_is_allowed_a_new_label_points_ahead_but_a_used_one_stays(tmp_path: Path) -> None:
    lifecycle = Lifecycle(0.01, 0, 0, labels_for_unavailable=True)
    with world(tmp_path, Loads(), lifecycle, versions=(1,)) as made:
        made.await_states({1: AVAILABLE})
        made.manager.reload((made.config(Latest(), canary=2),))
        with pytest.raises(StatusError, match=r"Specific\(m, 2\)"):
            _lease(made, label="canary")
        with pytest.raises(StatusError, match="version 3 of model m"):
            made.manager.reload((made.config(Latest(), canary=3),))
        made.publish(2)
        made.await_states({2: AVAILABLE, 1: END})
        assert _lease(made, label="canary") == 2


def _lease(made: World, version: int | None = None, label: str | None = None) -> int:
    spec = ModelSpec(name="m")
    if version is not None:
        spec.version.value = version
    if label is not None:
        spec.version_label = label
    with made.catalogue.lease(spec) as servable:
        return servable.version
