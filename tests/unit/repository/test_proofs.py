"""A version with golden records answers once they have held, and not before; its predecessor serves meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from headwise.errors import BackendUnavailableError, GoldenRecordsError, ModelNotReadyError
from headwise.gateway import Gateway
from headwise.repository.cards import CARD_PATH
from headwise.repository.golden_file import GOLDEN_PATH
from headwise.repository.model_repository import ModelRepository
from headwise.repository.model_spec import VersionState
from headwise.repository.proofs import Proofs, Reading
from headwise.repository.served_model import load
from headwise.repository.snapshot import Model
from headwise.repository.sources import ModelsFolder
from support.in_memory_gateway import BINARY, Models, answered, classify, write_card
from support.proofs import Proving, record, write_records
from support.statuses import Statuses, admitted, found

pytestmark = pytest.mark.anyio

AVAILABLE, LOADING, UNLOADING = VersionState.AVAILABLE, VersionState.LOADING, VersionState.UNLOADING
DIFFERENCE = "record 1 of 1: output 'output_0' is 2, expected is 1"
FAILED = f"its golden records fail (HW120): {DIFFERENCE}"


def labelled(yes: str) -> dict[str, Any]:
    return {"output_0": {**BINARY, "labels": ["no", yes]}}


def add(models: Models, version: int, yes: str = "yes") -> Path:
    """A version with one golden record."""
    folder = models.add("m", labelled(yes), version=version)
    write_records(folder, record(2.0))
    return folder


def yes(model: Model, version: int = 1) -> str:
    """The label by which a version answers."""
    one = model.version(version)
    assert one is not None
    return one.model.heads("serving_default")["output_0"].labels[1]


async def test_a_version_is_admitted_when_its_records_have_held(
    models: Models, statuses: Statuses, repository: ModelRepository, proving: Proving
) -> None:
    add(models, 1)
    statuses.says("m", v1=LOADING)
    assert admitted(await found(repository)) is None
    assert proving.asked == [], "there is nothing to run them on yet"
    statuses.says("m", v1=AVAILABLE)
    assert admitted(await found(repository)) == 1
    for _ in range(3):
        assert admitted(await found(repository)) == 1
    assert proving.asked == [("m", 1)], "once is enough"


async def test_a_version_without_records_or_without_card_is_not_held_back(
    models: Models, statuses: Statuses, repository: ModelRepository, proving: Proving
) -> None:
    models.add("m", labelled("yes"))
    write_records(models.add("m", None, version=2), record(2.0))
    statuses.says("m", v1=AVAILABLE, v2=AVAILABLE)
    model = await found(repository)
    assert (admitted(model), model.ready, proving.asked) == (1, True, [])


async def test_a_version_whose_records_fail_leaves_its_predecessor_serving(
    models: Models, statuses: Statuses, repository: ModelRepository, proving: Proving
) -> None:
    add(models, 1)
    statuses.says("m", v1=AVAILABLE)
    await repository.refresh()
    add(models, 2)
    proving.judge = lambda model: DIFFERENCE if model.version == 2 else None
    statuses.says("m", v1=AVAILABLE, v2=AVAILABLE)
    for _ in range(3):
        model = await found(repository)
        assert (admitted(model), model.ready, model.settled) == (1, True, True)
        assert model.problem == ("golden-records", f"version 2: {FAILED}")
    assert proving.asked == [("m", 1), ("m", 2)], "a failure stays one"
    kept_out = model.versions[0].call_error
    assert isinstance(kept_out, GoldenRecordsError)
    assert str(kept_out) == f"model m version 2 is kept out: {FAILED}"
    add(models, 3)
    statuses.says("m", v2=AVAILABLE, v3=AVAILABLE)
    model = await found(repository)
    assert (admitted(model), model.problem) == (3, None)


async def test_the_only_version_fails_and_the_model_is_settled_and_not_ready(
    models: Models, statuses: Statuses, repository: ModelRepository, proving: Proving
) -> None:
    add(models, 1)
    statuses.says("m", v1=AVAILABLE)
    proving.verdict = DIFFERENCE
    model = await found(repository)
    assert (admitted(model), model.ready, model.settled) == (None, False, True)
    assert repository.snapshot.unready() is None
    assert repository.snapshot.unready(frozenset({"m"})) == "required and not ready: m"


@pytest.mark.parametrize("what", ["golden file", "card", "model"])
async def test_records_are_run_again_when_a_file_changes(
    models: Models, statuses: Statuses, repository: ModelRepository, proving: Proving, what: str
) -> None:
    folder = add(models, 1)
    statuses.says("m", v1=AVAILABLE)
    proving.verdict = DIFFERENCE
    assert admitted(await found(repository)) is None
    proving.verdict = None
    if what == "golden file":
        write_records(folder, record(3.0), record(1.0))
    elif what == "card":
        write_card(folder, labelled("other"))
    else:
        graph = folder / "saved_model.pb"
        graph.write_bytes(graph.read_bytes() + b"\x08\x01")
    assert admitted(await found(repository)) == 1
    assert len(proving.asked) == 2


async def test_records_are_run_again_when_a_version_is_loaded_anew(
    models: Models, statuses: Statuses, repository: ModelRepository, proving: Proving
) -> None:
    add(models, 1)
    statuses.says("m", v1=AVAILABLE)
    await repository.refresh()
    statuses.says("m", v1=UNLOADING)
    assert admitted(await found(repository)) is None
    proving.verdict = DIFFERENCE
    statuses.says("m", v1=AVAILABLE)
    model = await found(repository)
    assert (admitted(model), model.problem) == (None, ("golden-records", f"version 1: {FAILED}"))


async def test_a_card_whose_records_fail_leaves_the_last_good_one(
    models: Models, statuses: Statuses, repository: ModelRepository, proving: Proving
) -> None:
    folder = add(models, 1, "good")
    statuses.says("m", v1=AVAILABLE)
    assert yes(await found(repository)) == "good"
    write_card(folder, labelled("bad"))
    proving.verdict = DIFFERENCE
    for _ in range(2):
        model = await found(repository)
        assert (admitted(model), yes(model)) == (1, "good")
        assert model.problem == (
            "golden-records",
            f"version 1: the last good card answers on, what is on disk now is refused: {FAILED}",
        )
    write_card(folder, {"output_0": {**BINARY, "activation": "softmax"}})  # the card is refused before any record
    model = await found(repository)
    assert (admitted(model), yes(model)) == (1, "good"), (
        "the failed card has never answered, so it is not the last good one"
    )
    assert model.problem is not None
    assert (model.problem[0], FAILED in model.problem[1]) == ("head-config", False), (
        "told of the card that is there now"
    )
    proving.verdict = None
    write_card(folder, labelled("better"))
    model = await found(repository)
    assert (yes(model), model.problem) == ("better", None)


async def test_a_card_that_goes_bad_after_its_records_failed_answers_nothing(
    models: Models, statuses: Statuses, repository: ModelRepository, proving: Proving
) -> None:
    folder = add(models, 1)
    statuses.says("m", v1=AVAILABLE)
    proving.verdict = DIFFERENCE
    await repository.refresh()
    (folder / CARD_PATH).write_text("{")
    model = await found(repository)
    assert (admitted(model), model.ready, model.settled) == (None, False, True)
    assert model.problem is not None
    code, reason = model.problem
    assert code == "golden-records"
    assert reason.startswith(f"version 1: {FAILED}; what is on disk now is refused: ")
    statuses.says("m", v1=LOADING)
    model = await found(repository)
    assert model.problem == ("model-not-ready", "version 1: the model server has not loaded it (LOADING)")
    assert not model.settled


async def test_a_card_answers_on_while_the_next_one_is_proved(
    models: Models, statuses: Statuses, repository: ModelRepository, proving: Proving
) -> None:
    folder = add(models, 1, "first")
    statuses.says("m", v1=AVAILABLE)
    await repository.refresh()
    proving.gate = asyncio.Event()
    write_card(folder, labelled("second"))
    model = await found(repository)
    assert (admitted(model), yes(model), model.problem) == (1, "first", None)
    proving.gate.set()
    assert yes(await found(repository)) == "second"


async def test_a_run_that_takes_long_holds_back_its_version_and_nothing_else(
    models: Models, statuses: Statuses, repository: ModelRepository, proving: Proving
) -> None:
    add(models, 1)
    models.add("n", labelled("yes"))
    statuses.says("m", v1=AVAILABLE)
    statuses.says("n", v1=AVAILABLE)
    proving.gate = asyncio.Event()
    for _ in range(2):
        model = await asyncio.wait_for(found(repository), 5)
        assert (admitted(model), model.settled) == (None, False)
        assert model.problem == ("model-not-ready", "version 1: proving its golden records")
        assert isinstance(model.versions[0].call_error, ModelNotReadyError)
        assert not isinstance(model.versions[0].call_error, GoldenRecordsError)
        assert admitted(repository.find("n")) == 1
        assert repository.snapshot.unready() == "loading: m"
    assert proving.asked == [("m", 1)], "one run at a time"
    proving.gate.set()
    assert admitted(await found(repository)) == 1


async def test_a_backend_that_cannot_answer_is_asked_again(
    models: Models, statuses: Statuses, repository: ModelRepository, proving: Proving
) -> None:
    add(models, 1)
    statuses.says("m", v1=AVAILABLE)
    proving.verdict = BackendUnavailableError("the model server is down")
    with capture_logs() as log:
        for _ in range(3):
            model = await found(repository)
            assert (admitted(model), model.settled) == (None, False)
    assert model.problem == (
        "model-not-ready",
        "version 1: proving its golden records; the last try: the model server is down",
    )
    assert [entry["reason"] for entry in log] == ["the model server is down"], "told once"
    proving.verdict = None
    assert admitted(await found(repository)) == 1
    assert len(proving.asked) == 4


async def test_a_fault_of_the_prover_keeps_the_version_out_and_nothing_else(
    models: Models, statuses: Statuses, repository: ModelRepository, proving: Proving
) -> None:
    add(models, 1)
    models.add("n", labelled("yes"))
    statuses.says("m", v1=AVAILABLE)
    statuses.says("n", v1=AVAILABLE)
    proving.verdict = ZeroDivisionError("a bug")
    with capture_logs() as log:
        model = await found(repository)
    assert (admitted(model), admitted(repository.find("n"))) == (None, 1)
    assert model.problem is not None
    assert "a fault of headwise, see its log" in model.problem[1]
    assert [entry["log_level"] for entry in log] == ["error"]


async def test_a_version_that_failed_stays_out_when_its_folder_goes(
    models: Models, statuses: Statuses, repository: ModelRepository, proving: Proving
) -> None:
    add(models, 1)
    failing = add(models, 2)
    proving.judge = lambda model: DIFFERENCE if model.version == 2 else None
    statuses.says("m", v1=AVAILABLE, v2=AVAILABLE)
    assert admitted(await found(repository)) == 1
    failing.rename(models.folder / ".gone")
    model = await found(repository)
    assert (admitted(model), model.problem) == (1, ("golden-records", f"version 2: {FAILED}"))
    assert len(proving.asked) == 2


async def test_a_version_that_serves_answers_on_when_its_folder_goes_and_comes_back(
    models: Models, statuses: Statuses, repository: ModelRepository, proving: Proving
) -> None:
    folder = add(models, 1)
    statuses.says("m", v1=AVAILABLE)
    assert admitted(await found(repository)) == 1
    add(models, 2)  # a model without any version would be none
    folder.rename(models.folder / ".gone")
    assert admitted(await found(repository)) == 1
    proving.gate = asyncio.Event()
    (models.folder / ".gone").rename(folder)
    assert admitted(await found(repository)) == 1
    proving.gate.set()


async def test_a_damaged_file_refuses_the_version_and_a_serving_one_keeps_its_last_good_reading(
    models: Models, statuses: Statuses, repository: ModelRepository
) -> None:
    damaged, serving = add(models, 2), add(models, 1)
    (damaged / GOLDEN_PATH).write_bytes(b"damaged")
    statuses.says("m", v1=AVAILABLE, v2=AVAILABLE)
    model = await found(repository)
    assert (admitted(model), model.problem and model.problem[0]) == (1, "head-config")
    assert str(damaged / GOLDEN_PATH) in str(model.problem)
    (serving / GOLDEN_PATH).write_bytes(b"damaged as well")
    model = await found(repository)
    assert admitted(model) == 1
    assert "the last good card answers on" in str(model.versions[1].problem)


async def test_a_run_of_a_version_that_goes_is_ended(models: Models, proving: Proving) -> None:
    proving.gate = asyncio.Event()
    reading = Reading(load("m", 1, add(models, 1)), (record(2.0),))
    proofs = Proofs(proving, grace=0.01)
    before = asyncio.all_tasks()
    verdict = (await proofs.look({("m", 1): reading}))["m", 1]
    assert str(verdict.unproven) == "proving its golden records"
    runs = asyncio.all_tasks() - before
    assert len(runs) == 1
    assert await proofs.look({}) == {}
    await asyncio.gather(*runs, return_exceptions=True)
    assert all(run.cancelled() for run in runs)
    assert proofs.reading(("m", 1)) is None


async def test_what_a_caller_is_told(models: Models) -> None:
    add(models, 1)
    write_records(models.add("m", labelled("wrong"), version=2), record(2.0, expected=1.0))
    gateway = await models.gateway()
    classification = await classify(gateway)
    assert (classification.model.version, answered(classification)) == (1, ["yes"])
    with pytest.raises(GoldenRecordsError, match=r"^model m version 2 is kept out: .*\(HW120\): record 1 of 1: output"):
        await classify(gateway, version=2)
    models.backend.labels["m"] = {"canary": 2}
    with pytest.raises(GoldenRecordsError):
        await classify(gateway, label="canary")


async def test_what_a_caller_is_told_where_no_version_is_left(models: Models) -> None:
    models.add("m", None, version=1)
    write_records(models.add("m", labelled("wrong"), version=2), record(2.0, expected=1.0))
    with pytest.raises(GoldenRecordsError, match="model m version 2 is kept out"):
        await classify(await models.gateway())


async def test_what_a_caller_is_told_while_the_only_version_is_proved(models: Models) -> None:
    models.add("m", None, version=1)
    add(models, 2)
    repository = ModelRepository(ModelsFolder(models.folder), models.backend, Proving(gate=asyncio.Event()))
    await repository.refresh()
    with pytest.raises(ModelNotReadyError, match="model m is not ready: version 2: proving its golden records") as told:
        await classify(Gateway(models.backend, repository))
    assert type(told.value) is ModelNotReadyError, "time heals it"
    with pytest.raises(ModelNotReadyError, match="model m version 2 is kept out: proving its golden records"):
        await classify(Gateway(models.backend, repository), version=2)
