"""The embedded model server answers as TensorFlow Serving did: every recorded gRPC exchange is replayed."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from tensorflow_serving.apis import get_model_status_pb2

from support.recordings import Group, difference, groups
from support.server_process import channel, eventually, server_process

# A recording that the server answers otherwise, and why. It must differ, or its line here is out of date.
KNOWN_DIFFERENCES: dict[str, str] = {}

# This group is replayed over a Unix socket, the others over TCP.
_OVER_UNIX_SOCKET = "labels"
_AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE
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
        eventually(lambda: _all_available(opened, group))
        yield opened


@pytest.mark.parametrize(
    ("target", "case"),
    _CASES,
    ids=[case["name"] for _, case in _CASES],
    indirect=["target"],
    scope="module",
)
def test_answers_as_recorded(target: grpc.Channel, case: dict[str, Any]) -> None:
    found = difference("grpc", case, target)
    if reason := KNOWN_DIFFERENCES.get(case["name"]):
        assert found, f"{case['name']} passes now; it was said to differ because {reason}"
        return
    assert found is None
    _passed.add(case["name"])


def test_every_recording_is_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{len(_passed)} of {len(_CASES)} recordings pass")
    assert len(_CASES) == 391
    assert KNOWN_DIFFERENCES.keys() <= {case["name"] for _, case in _CASES}


def _all_available(opened: grpc.Channel, group: Group) -> bool:
    call = opened.unary_unary(
        "/tensorflow.serving.ModelService/GetModelStatus",
        request_serializer=get_model_status_pb2.GetModelStatusRequest.SerializeToString,
        response_deserializer=get_model_status_pb2.GetModelStatusResponse.FromString,
    )
    for name in group.model_names():
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = name
        statuses = call(request, timeout=10).model_version_status
        if any(status.state != _AVAILABLE for status in statuses):
            return False
    return True
