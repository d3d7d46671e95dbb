"""What the repository knows of versions: disk and model server together, and what of it may answer."""

import asyncio

import pytest
from structlog.testing import capture_logs

from headwise.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    ConfigurationError,
    ModelNotFoundError,
    ModelNotReadyError,
)
from headwise.repository.model_repository import ModelRepository
from headwise.repository.model_spec import VersionState
from headwise.repository.served_model import ServedModel
from headwise.repository.sources import ModelsFolder
from support.in_memory_gateway import BINARY, Models
from support.proofs import Proving
from support.statuses import Listed, Statuses, admitted, found, states

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


async def test_before_the_first_look_nothing_is_known(repository: ModelRepository) -> None:
    assert repository.snapshot.unready() == "the model server has not been asked yet"
    with pytest.raises(ModelNotReadyError, match="for the first time: try again"):
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


async def test_a_folder_without_a_graph_that_the_model_server_gave_up_on_has_failed(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    folder = models.folder / "m" / "1"
    folder.mkdir(parents=True)
    statuses.says("m", v1=LOADING)
    assert (await repository.refresh()).unready() == "loading: m"
    statuses.by_model["m"] = {1: (END, "Could not find meta graph def")}
    model = await found(repository)
    assert repository.snapshot.unready() is None
    assert (states(model), model.ready, model.settled) == ({1: END}, False, True)
    assert model.problem == ("load-failed", "version 1: Could not find meta graph def")
    models.add("m", HEADS, version=2)
    statuses.by_model["m"][2] = (AVAILABLE, "")
    assert states(await found(repository)) == {2: AVAILABLE, 1: END}
    folder.rmdir()
    assert states(await found(repository)) == {2: AVAILABLE}


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
    waiting = ModelRepository(ModelsFolder(models.folder), statuses, Proving(), patience=60)
    assert not (await found(waiting)).settled
    done = ModelRepository(ModelsFolder(models.folder), statuses, Proving(), patience=-1)
    model = await found(done)
    assert model.settled
    assert model.problem == ("model-not-ready", "version 2: the model server's configuration does not serve it")


async def test_a_silent_model_server_leaves_no_version_out(models: Models, statuses: Statuses) -> None:
    models.add("m", HEADS)
    statuses.failure = BackendUnavailableError("gone")
    repository = ModelRepository(ModelsFolder(models.folder), statuses, Proving(), patience=0.001)
    await repository.refresh()
    await asyncio.sleep(0.01)  # longer than its patience
    model = await found(repository)
    assert model.problem == ("model-not-ready", "version 1: the model server has not loaded it (UNKNOWN)")


async def test_a_state_that_nobody_knows_is_unknown(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    assert VersionState(77) is UNKNOWN


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
    repository = ModelRepository(source, statuses, Proving())
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
