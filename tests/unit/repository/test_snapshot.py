"""What a snapshot says of models: settled, ready, and why not."""

import pytest

from headwise.repository.model_spec import VersionState, VersionStatus
from headwise.repository.served_model import ServedModel
from headwise.repository.snapshot import Model, Snapshot, Version

AVAILABLE, LOADING = VersionState.AVAILABLE, VersionState.LOADING


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
