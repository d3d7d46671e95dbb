"""The gateway passes TensorFlow Serving's gRPC calls through as it answered them: recorded exchanges are replayed."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest

from support.gateway_process import GatewayProcess
from support.recordings import groups, is_as_recorded
from support.server_process import channel, eventually, server_process

# A recording that the gateway answers otherwise, and why. It must differ, or its line here is out of date.
KNOWN_DIFFERENCES: dict[str, str] = {
    "wire/none/reflection": "it reflects its services",
    "health/none/qualified-name": "health knows services by their full names, too",
    "health/none/qualified-model-service": "health knows services by their full names, too",
    "health/none/model-name": "health follows each model by its name",
}

_RELOAD = "the gateway takes no HandleReloadConfigRequest: the model server is reconfigured, not it"
_LATER_GROUPS = {"reload": _RELOAD}

_ALL = [(group.name, case) for group in groups().values() for case in group.cases]
_CASES = [(group, case) for group, case in _ALL if group not in _LATER_GROUPS]
_passed: set[str] = set()


@pytest.fixture(scope="module")
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    """A gateway before a model server that was started as the group's was, with all its models loaded."""
    group = groups()[request.param]
    folder = tmp_path_factory.mktemp(group.name)
    with ExitStack() as stack:
        server = stack.enter_context(server_process(*group.command_line(folder)))
        config = str(folder / "models.config")
        started = GatewayProcess("--backend", server.addresses[0], "--model-config-file", config)
        gateway = stack.enter_context(started)
        eventually(lambda: _settled(gateway))
        yield stack.enter_context(channel(gateway.grpc))


@pytest.mark.parametrize(
    ("target", "case"),
    _CASES,
    ids=[case["name"] for _, case in _CASES],
    indirect=["target"],
    scope="module",
)
def test_answers_as_recorded(target: grpc.Channel, case: dict[str, Any]) -> None:
    if is_as_recorded("grpc", case, target, KNOWN_DIFFERENCES):
        _passed.add(case["name"])


def test_every_recording_is_replayed_or_named(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(
            f"\n{len(_passed)} of {len(_CASES)} gRPC recordings pass through the gateway, {len(KNOWN_DIFFERENCES)} "
            f"differ on purpose; {len(_ALL) - len(_CASES)} reconfigure the server and are left out"
        )
    assert (len(_ALL), len(_CASES)) == (391, 325)
    assert KNOWN_DIFFERENCES.keys() <= {case["name"] for _, case in _CASES}


def _settled(gateway: GatewayProcess) -> bool:
    models = gateway.http.get("/v1/models").json()["models"]
    states = [version["state"] for model in models for version in model["versions"]]
    return bool(states) and all(state in ("AVAILABLE", "END") for state in states)
