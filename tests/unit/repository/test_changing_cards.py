"""Cards that change on disk while their versions serve."""

import pytest
from structlog.testing import capture_logs

from headwise.repository.model_repository import ModelRepository
from headwise.repository.model_spec import VersionState
from support.in_memory_gateway import BINARY, Models, write_card
from support.statuses import Statuses, admitted, found

pytestmark = pytest.mark.anyio

HEADS = {"output_0": BINARY}
REFUSED = {"output_0": {**BINARY, "activation": "softmax"}}
AVAILABLE = VersionState.AVAILABLE


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
