"""The gateway answers TensorFlow Serving's REST calls as it did: recorded exchanges are replayed over HTTP."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
import uvicorn

from headwise.bootstrap import build
from headwise.settings import Settings
from support.recordings import Group, difference, groups, is_as_recorded
from support.server_process import channel, eventually, server_process

_NOT_FINITE = "a 502 that names output and rows takes the place of invalid JSON"
_ENCODINGS = "Content-Encoding is read in any case, and anything but gzip is a 415"

# A recording that the gateway answers otherwise, and why. It must differ, or its line here is out of date.
KNOWN_DIFFERENCES: dict[str, str] = {
    "rest-floats/dtypes/double-overflowing-float": _NOT_FINITE,
    "rest-floats/dtypes/double-special": _NOT_FINITE,
    "rest-floats/dtypes/float-special": _NOT_FINITE,
    "rest-floats/dtypes/nan-columnar": _NOT_FINITE,
    "rest-floats/nanout/columnar": _NOT_FINITE,
    "rest-floats/nanout/double": _NOT_FINITE,
    "rest-floats/nanout/row": _NOT_FINITE,
    "rest-layout/nanout/columnar": _NOT_FINITE,
    "rest-rows/logit/tiny-and-huge": _NOT_FINITE,
    "rest-classify/examples/nan-token": _NOT_FINITE,
    "rest-regress/examples/infinity": _NOT_FINITE,
    "rest-regress/examples/nan": _NOT_FINITE,
    "rest-headers/sigmoid/deflate-plain-body": _ENCODINGS,
    "rest-headers/sigmoid/gzip-upper-case": _ENCODINGS,
    "rest-paths/none/get-models": "it lists the models",
    "rest-paths/none/get-root": "it says what is where",
    "rest-paths/logit/v2": "it speaks V2",
    "rest-paths/none/get-v2-health": "it speaks V2",
}

_CASES = [(group.name, case) for group in groups("rest").values() for case in group.cases]
_BARE_CASES = [(group, case) for group, case in _CASES if KNOWN_DIFFERENCES.get(case["name"]) == _NOT_FINITE]
_passed: set[str] = set()


@dataclass(frozen=True)
class Gateways:
    """Two gateways in front of one model server: as it comes, and with tfs_nonfinite = "bare"."""

    url: str
    bare_url: str


@pytest.fixture(scope="module")
def gateways(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateways]:
    """A model server started as the group's was, with its models loaded, and gateways before it."""
    group = groups("rest")[request.param]
    folder = tmp_path_factory.mktemp(group.name)
    with ExitStack() as stack:
        # The embedded model server has no REST: the gateway is told about CORS instead.
        flags = [flag for flag in group.command_line(folder) if not flag.startswith("--rest_api_enable_cors_support")]
        server = stack.enter_context(server_process(*flags))
        target = server.addresses[0]
        opened = stack.enter_context(channel(target))
        eventually(lambda: group.all_loaded(opened))
        _replay_grpc_first(opened, group)
        settings = Settings(backend=target, model_config_file=folder / "models.config", cors="cors" in group.name)
        bare = settings.model_copy(update={"tfs_nonfinite": "bare"})
        yield Gateways(stack.enter_context(_http_gateway(settings)), stack.enter_context(_http_gateway(bare)))


def _parametrized(cases: list[tuple[str, dict[str, Any]]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("gateways", "case"),
        cases,
        ids=[case["name"] for _, case in cases],
        indirect=["gateways"],
        scope="module",
    )


@_parametrized(_CASES)
def test_answers_as_recorded(gateways: Gateways, case: dict[str, Any]) -> None:
    if is_as_recorded("rest", case, gateways.url, KNOWN_DIFFERENCES):
        _passed.add(case["name"])


@_parametrized(_BARE_CASES)
def test_numbers_that_are_not_finite_come_bare_where_the_setting_says_so(
    gateways: Gateways, case: dict[str, Any]
) -> None:
    assert difference("rest", case, gateways.bare_url) is None


def test_every_recording_is_replayed_or_named(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{len(_passed)} of {len(_CASES)} REST recordings pass, {len(KNOWN_DIFFERENCES)} differ on purpose")
    assert len(_CASES) == 356
    assert KNOWN_DIFFERENCES.keys() <= {case["name"] for _, case in _CASES}


def _replay_grpc_first(opened: grpc.Channel, group: Group) -> None:
    """The REST cases of `reload` look at the state that its gRPC cases leave behind."""
    if group.name == "reload":
        for case in groups("grpc")[group.name].cases:
            assert difference("grpc", case, opened) is None, case["name"]


@contextmanager
def _http_gateway(settings: Settings) -> Iterator[str]:
    """Serve a gateway's HTTP on a free port, in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    servers: list[uvicorn.Server] = []
    wired = threading.Event()

    async def serve() -> None:
        gateway = build(settings)
        await gateway.repository.refresh()
        server = uvicorn.Server(uvicorn.Config(gateway.rest.app, lifespan="off", log_config=None))
        servers.append(server)
        wired.set()
        await server.serve(sockets=[listener])
        await gateway.backend.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert wired.wait(30), "the gateway did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for server in servers:
            server.should_exit = True
        thread.join()
        listener.close()
