"""What the repository knows of versions: disk and model server together, and what of it may answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from headwise.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    ConfigurationError,
    HeadwiseError,
    ModelNotFoundError,
)
from headwise.repository.model_repository import ModelRepository
from headwise.repository.model_spec import ModelSpec, VersionState, VersionStatus
from headwise.repository.served_model import ServedModel
from headwise.repository.snapshot import Model, Snapshot, Version
from headwise.repository.sources import ModelLocation, ModelsFolder
from headwise.tfserving import model_service_pb2
from support.in_memory_gateway import BINARY, Models, write_card

pytestmark = pytest.mark.anyio

HEADS = {"output_0": BINARY}
REFUSED = {"output_0": {**BINARY, "activation": "softmax"}}
AVAILABLE, LOADING, UNLOADING, END, UNKNOWN = (
    VersionState.AVAILABLE,
    VersionState.LOADING,
    VersionState.UNLOADING,
    VersionState.END,
    VersionState.UNKNOWN,
)


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


@dataclass
class Statuses:
    """What the model server says: states and errors by model and version, or that it says nothing."""

    by_model: dict[str, dict[int, tuple[VersionState, str]]] = field(default_factory=dict)
    failure: HeadwiseError | None = None
    asked: int = 0

    def says(self, name: str, **states: VersionState) -> None:
        """Version states as v1=…, v2=…."""
        self.by_model[name] = {int(version[1:]): (state, "") for version, state in states.items()}

    async def status(self, spec: ModelSpec, *, timeout: float) -> model_service_pb2.GetModelStatusResponse:
        self.asked += 1
        assert timeout > 0
        if self.failure is not None:
            raise self.failure
        if spec.name not in self.by_model:
            raise BackendRejectedError("NOT_FOUND", f"Could not find any versions of model {spec.name}")
        answer = model_service_pb2.GetModelStatusResponse()
        for version, (state, error) in self.by_model[spec.name].items():
            status = answer.model_version_status.add(version=version, state=state.value)
            status.status.error_message = error
        return answer


@dataclass
class Listed:
    """A source whose list, or whose failure, a test sets."""

    found: Mapping[str, ModelLocation] | ConfigurationError

    def locations(self) -> Mapping[str, ModelLocation]:
        if isinstance(self.found, ConfigurationError):
            raise self.found
        return self.found


@pytest.fixture
def statuses() -> Statuses:
    return Statuses()


@pytest.fixture
def repository(models: Models, statuses: Statuses) -> ModelRepository:
    return ModelRepository(ModelsFolder(models.folder), statuses)


async def found(repository: ModelRepository, name: str = "m") -> Model:
    await repository.refresh()
    return repository.find(name)


def states(model: Model) -> dict[int, VersionState]:
    return {version.status.version: version.status.state for version in model.versions}


def admitted(model: Model) -> int | None:
    return model.newest_admitted.status.version if model.newest_admitted else None


async def test_before_the_first_look_nothing_is_known(repository: ModelRepository) -> None:
    assert repository.snapshot.unready() == "the model server has not been asked yet"
    with pytest.raises(ModelNotFoundError, match="there is no model 'm'"):
        repository.find("m")


async def test_versions_come_newest_first_with_what_the_model_server_says(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    for version in (1, 2, 10):
        models.add("m", HEADS, version=version)
    statuses.says("m", v2=AVAILABLE, v10=LOADING)
    model = await found(repository)
    assert states(model) == {10: LOADING, 2: AVAILABLE}
    assert list(states(model)) == [10, 2]
    assert (admitted(model), model.ready, model.settled) == (2, True, True)
    assert model.problem == ("model-not-ready", "version 10: the model server has not loaded it (LOADING)")


async def test_a_folder_newer_than_all_that_is_loaded_is_expected(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    models.add("m", HEADS, version=3)
    models.add("m", HEADS, version=4)
    statuses.says("m", v3=AVAILABLE)
    model = await found(repository)
    assert states(model) == {4: UNKNOWN, 3: AVAILABLE}
    assert admitted(model) == 3


@pytest.mark.parametrize(
    ("heads", "state", "error", "is_admitted", "code", "is_settled"),
    [
        (HEADS, AVAILABLE, "", True, None, True),
        (HEADS, LOADING, "", False, "model-not-ready", False),
        (HEADS, UNLOADING, "", False, "model-not-ready", False),
        (HEADS, END, "no such file", False, "load-failed", True),
        (REFUSED, AVAILABLE, "", False, "head-config", True),
        (REFUSED, LOADING, "", False, "head-config", True),
        (None, AVAILABLE, "", False, "head-not-found", True),
    ],
)
async def test_what_is_admitted_and_what_is_settled(
    models: Models,
    statuses: Statuses,
    repository: ModelRepository,
    heads: dict[str, object] | None,
    state: VersionState,
    error: str,
    is_admitted: bool,
    code: str | None,
    is_settled: bool,
) -> None:
    models.add("m", heads)
    statuses.by_model["m"] = {1: (state, error)}
    (version,) = (await found(repository)).versions
    assert version.admitted is is_admitted
    assert (version.problem[0] if version.problem else None) == code
    assert version.settled is is_settled


async def test_retired_versions_are_forgotten_unless_they_failed(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    for version in (1, 2, 3):
        models.add("m", HEADS, version=version)
    statuses.by_model["m"] = {1: (END, ""), 2: (AVAILABLE, ""), 3: (END, "bad variables")}
    model = await found(repository)
    assert states(model) == {3: END, 2: AVAILABLE}
    assert model.problem == ("load-failed", "version 3: bad variables")
    assert model.ready


async def test_a_version_whose_folder_went_answers_on_by_its_last_card(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    folder = models.add("m", HEADS, version=1)
    models.add("m", HEADS, version=2)
    statuses.says("m", v1=AVAILABLE, v2=LOADING)
    assert admitted(await found(repository)) == 1
    folder.rename(models.folder / ".gone")
    assert admitted(await found(repository)) == 1
    statuses.says("m", v1=END, v2=AVAILABLE)
    assert states(await found(repository)) == {2: AVAILABLE}


async def test_a_version_that_was_never_on_disk_has_no_card(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    models.add("m", HEADS, version=1)
    statuses.says("m", v1=AVAILABLE, v7=AVAILABLE)
    model = await found(repository)
    assert (admitted(model), model.problem and model.problem[0]) == (1, "head-not-found")
    assert repository.served("m", 7) == ServedModel("m", 7, {})
    assert repository.served("m", 8) is None
    assert repository.served("n", 1) is None


async def test_a_card_that_goes_bad_is_told_and_the_last_good_one_stays(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    folder = models.add("m", HEADS)
    statuses.says("m", v1=AVAILABLE)
    good = (await found(repository)).versions[0].model.card
    write_card(folder, REFUSED)
    with capture_logs() as log:
        for _ in range(3):
            model = await found(repository)
            assert model.versions[0].model.card is good
    assert model.problem is not None
    assert (admitted(model), model.problem[0]) == (1, "head-config")
    assert "the last good card answers on" in model.problem[1]
    (entry,) = log
    assert (entry["event"], entry["last_good_kept"]) == ("version refused", True)
    write_card(folder, {"output_0": {**BINARY, "labels": ["new", "labels"]}})
    card = (await found(repository)).versions[0].model.card
    assert card is not None
    assert card.card.signatures["serving_default"].heads["output_0"].labels == ("new", "labels")


async def test_a_wrong_card_given_to_a_model_without_one_is_refused(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    folder = models.add("m", None)
    statuses.says("m", v1=AVAILABLE)
    assert (await found(repository)).ready
    write_card(folder, REFUSED)
    model = await found(repository)
    assert (model.ready, model.problem and model.problem[0]) == (False, "head-config")


async def test_a_question_that_a_busy_model_server_refuses_changes_nothing(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    models.add("m", HEADS)
    statuses.says("m", v1=AVAILABLE)
    await repository.refresh()
    statuses.failure = BackendRejectedError("RESOURCE_EXHAUSTED", "Server Threadpool Exhausted")
    assert admitted(await found(repository)) == 1
    assert repository.snapshot.unready() is None


async def test_a_version_that_the_model_server_never_names_is_settled_in_the_end(
    models: Models, statuses: Statuses
) -> None:
    models.add("m", REFUSED, version=1)
    models.add("m", HEADS, version=2)
    statuses.says("m", v1=AVAILABLE)
    waiting = ModelRepository(ModelsFolder(models.folder), statuses, patience=60)
    assert not (await found(waiting)).settled
    done = ModelRepository(ModelsFolder(models.folder), statuses, patience=-1)
    model = await found(done)
    assert model.settled
    assert model.problem == ("model-not-ready", "version 2: the model server's configuration does not serve it")


async def test_a_state_that_nobody_knows_is_unknown(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    assert VersionState(77) is UNKNOWN


async def test_a_refused_card_that_is_put_right_is_admitted(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    folder = models.add("m", REFUSED)
    statuses.says("m", v1=AVAILABLE)
    assert not (await found(repository)).ready
    write_card(folder, HEADS)
    assert admitted(await found(repository)) == 1


async def test_a_version_is_read_again_only_when_its_files_change(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    folder = models.add("m", HEADS)
    statuses.says("m", v1=AVAILABLE)
    first = (await found(repository)).versions[0].model
    assert (await found(repository)).versions[0].model is first
    (folder / "assets.extra" / "head.json").unlink()
    model = await found(repository)
    assert (model.versions[0].model.card, model.ready) == (None, True)


async def test_a_silent_model_server_keeps_the_last_states(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    models.add("m", HEADS)
    statuses.says("m", v1=AVAILABLE)
    await repository.refresh()
    statuses.failure = BackendUnavailableError("the model server is down")
    snapshot = await repository.refresh()
    assert snapshot.unready() == "the model server is down"
    assert admitted(snapshot.models["m"]) == 1
    statuses.failure = None
    assert (await repository.refresh()).unready() is None


async def test_a_model_that_the_server_does_not_know_yet_is_loading(
    models: Models, repository: ModelRepository
) -> None:
    models.add("m", HEADS)
    snapshot = await repository.refresh()
    assert snapshot.unready() == "loading: m"
    assert states(snapshot.models["m"]) == {1: UNKNOWN}


async def test_a_list_that_cannot_be_read_leaves_the_last_good_one(models: Models, statuses: Statuses) -> None:
    models.add("m", HEADS)
    source = Listed(ConfigurationError("models.config: no model config file"))
    repository = ModelRepository(source, statuses)
    with pytest.raises(ConfigurationError, match="no model config file"):
        await repository.refresh()
    source.found = ModelsFolder(models.folder).locations()
    statuses.says("m", v1=LOADING)
    await repository.refresh()
    source.found = ConfigurationError("models.config: broken")
    statuses.says("m", v1=AVAILABLE)
    with capture_logs() as log:
        for _ in range(3):
            assert admitted(await found(repository)) == 1
    assert [entry["reason"] for entry in log] == ["models.config: broken"]


async def test_callers_that_wait_share_one_look(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    models.add("m", HEADS)
    statuses.says("m", v1=AVAILABLE)
    snapshots = await asyncio.gather(*(repository.refresh() for _ in range(50)))
    assert statuses.asked == 2, "the look that was under way, and one that began after all had asked"
    assert snapshots[-1] is repository.snapshot


async def test_names_that_look_alike_are_offered(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    models.add("tumor", HEADS)
    await repository.refresh()
    with pytest.raises(ModelNotFoundError, match="did you mean tumor"):
        repository.find("tumour")


def version(state: VersionState, number: int = 1) -> Version:
    return Version(VersionStatus(number, state), ServedModel("m", number, {}))


@pytest.mark.parametrize(
    ("snapshot", "required", "reason"),
    [
        (Snapshot({}, None), set(), None),
        (Snapshot({}, "down"), set(), "down"),
        (Snapshot({}, None), {"m"}, "required and not ready: m"),
        (Snapshot({"m": Model("m", ())}, None), set(), "loading: m"),
        (Snapshot({"m": Model("m", (version(LOADING),))}, None), set(), "loading: m"),
        (Snapshot({"m": Model("m", (version(LOADING, 2), version(AVAILABLE)))}, None), {"m"}, None),
        (Snapshot({"m": Model("m", (version(AVAILABLE),))}, None), {"m", "n"}, "required and not ready: n"),
    ],
)
def test_what_a_snapshot_waits_for(snapshot: Snapshot, required: set[str], reason: str | None) -> None:
    assert snapshot.unready(frozenset(required)) == reason


def test_a_model_without_versions_says_so() -> None:
    assert Model("m", ()).problem == ("model-not-ready", "the model server knows no version of it")
