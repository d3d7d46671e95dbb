"""The embedded model server answers as TensorFlow Serving did: every recorded gRPC exchange is replayed."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest

from support.recordings import groups, is_as_recorded
from support.server_process import channel, eventually, server_process

# A recording that the server answers otherwise, and why. It must differ, or its line here is out of date.
KNOWN_DIFFERENCES: dict[str, str] = {}

# This group is replayed over a Unix socket, the others over TCP.
_OVER_UNIX_SOCKET = "labels"
_CASES = [(group.name, case) for group in groups().values() for case in group.cases]
_passed: set[str] = set()


@pytest.fixture(scope="module")
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    """A server started as the group's was, with all its models loaded."""
    group = groups()[request.param]
    folder = tmp_path_factory.mktemp(group.name)
    arguments = group.command_line(folder)
    if group.name == _OVER_UNIX_SOCKET:
        arguments = (*arguments, "--listen", f"unix:{folder}/socket")
    with ExitStack() as stack:
        server = stack.enter_context(server_process(*arguments))
        opened = stack.enter_context(channel(server.addresses[0]))
        eventually(lambda: group.all_loaded(opened))
        yield opened


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


def test_every_recording_is_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{len(_passed)} of {len(_CASES)} recordings pass")
    assert len(_CASES) == 391
    assert KNOWN_DIFFERENCES.keys() <= {case["name"] for _, case in _CASES}
