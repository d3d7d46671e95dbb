"""What metrics tell of a gateway as it stands, with no name that a caller chose."""

from dataclasses import replace
from pathlib import Path

import pytest

from headwise.admission import Admission
from headwise.errors import GoldenRecordsError, HeadConfigError, ModelNotReadyError
from headwise.gateway import gauges
from headwise.repository.model_spec import VersionState, VersionStatus
from headwise.repository.served_model import ServedModel
from headwise.repository.snapshot import Model, Snapshot, Version
from headwise.telemetry.metric_table import VERSION_STATES
from headwise.telemetry.metrics import Metrics
from support.in_memory_gateway import BINARY, Models, classify

pytestmark = pytest.mark.anyio

AVAILABLE, LOADING, UNKNOWN = VersionState.AVAILABLE, VersionState.LOADING, VersionState.UNKNOWN


async def served(folder: Path) -> Version:
    """A version that answers by its card."""
    models = Models(folder)
    models.add("m", {"output_0": BINARY})
    return (await models.repository().refresh()).models["m"].versions[0]


async def test_every_version_is_in_one_state(tmp_path: Path) -> None:
    good = await served(tmp_path)
    bare = ServedModel("m", 1, {})
    refused = replace(bare, refusal=HeadConfigError("bad"))
    found = [
        good,
        replace(good, model=replace(good.model, waiting=HeadConfigError("bad"))),
        Version(VersionStatus(1, AVAILABLE), bare),
        Version(VersionStatus(1, AVAILABLE), refused),
        Version(VersionStatus(1, LOADING, "no memory"), bare),
        replace(good, unproven=GoldenRecordsError("differs")),
        replace(good, unproven=ModelNotReadyError("proving")),
        Version(VersionStatus(1, LOADING), good.model),
        Version(VersionStatus(1, UNKNOWN), good.model, unserved=True),
    ]
    told = ["serving", "outdated", "raw", "refused", "refused", "refused", "pending", "pending", "unserved"]
    assert [version.state for version in found] == told
    assert set(told) == set(VERSION_STATES)
    figures = gauges.versions(Snapshot({"m": Model("m", tuple(found)), "n": Model("n", ())}, None))
    assert {state: figures["m", state] for state in VERSION_STATES} == {
        "serving": 1,
        "outdated": 1,
        "raw": 1,
        "refused": 3,
        "pending": 2,
        "unserved": 1,
    }
    assert figures["n", "serving"] == 0
    assert gauges.known(Snapshot({"m": Model("m", tuple(found))}, None)) == {("m", "1")}


async def test_the_newest_version_that_answers_is_told_where_one_does(tmp_path: Path) -> None:
    good = await served(tmp_path)
    newer = Version(VersionStatus(2, LOADING), ServedModel("m", 2, {}))
    snapshot = Snapshot({"m": Model("m", (newer, good)), "n": Model("n", (newer,))}, None)
    assert gauges.newest(snapshot) == {("m",): 1}


async def test_names_that_are_no_models_are_counted_together() -> None:
    snapshot = Snapshot({"m": Model("m", ()), "n": Model("n", ())}, None)
    assert gauges.in_flight({"m": 2, "made up": 1, "another": 3}, snapshot) == {("m",): 2, ("n",): 0, ("other",): 4}


async def test_all_of_them_are_rendered(tmp_path: Path) -> None:
    models = Models(tmp_path)
    models.add("m", {"output_0": BINARY})
    gateway = await models.gateway()
    metrics, admission = Metrics(), Admission()
    gauges.watch(metrics, admission, gateway.repository)
    with admission.room("m"):
        lines = metrics.render()[0].decode().splitlines()
    assert 'headwise_requests_in_flight{model="m"} 1.0' in lines
    assert 'headwise_model_versions{model="m",state="serving"} 1.0' in lines
    assert 'headwise_model_version{model="m"} 1.0' in lines
    assert metrics.answers.known is not None
    assert ("m", "1") in metrics.answers.known()
    assert (await classify(gateway)).model.version == 1
