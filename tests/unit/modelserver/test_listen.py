"""The addresses that the server listens on."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from headwise.errors import ConfigurationError
from headwise.modelserver.listen import listen, remove_folder, remove_socket


@pytest.fixture
def server() -> Iterator[grpc.Server]:
    created = grpc.server(ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
    yield created
    created.stop(None).wait()


def test_port_0_becomes_the_port_that_was_chosen(server: grpc.Server) -> None:
    host, port = listen(server, "127.0.0.1:0").split(":")
    assert host == "127.0.0.1"
    assert int(port) > 0


@pytest.mark.parametrize("address", ["", "8500", ":8500", "localhost:", "localhost:http", "127.0.0.1:99999"])
def test_an_address_is_host_and_port_or_a_unix_socket(server: grpc.Server, address: str) -> None:
    with pytest.raises(ConfigurationError, match="expected HOST:PORT or unix:PATH"):
        listen(server, address)


def test_an_address_in_use_says_so_and_nothing_else(server: grpc.Server, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigurationError, match=f"--listen {address}: Address already in use"):
            listen(server, address)
    assert capfd.readouterr().err == ""


def test_a_host_that_is_unknown_is_refused(server: grpc.Server) -> None:
    with pytest.raises(ConfigurationError, match=r"--listen nowhere\.invalid:80: "):
        listen(server, "nowhere.invalid:80")


def test_a_unix_socket_is_made_and_removed(server: grpc.Server, tmp_path: Path) -> None:
    address = listen(server, f"unix:{tmp_path}/socket")
    assert (tmp_path / "socket").is_socket()
    remove_socket(address)
    assert not (tmp_path / "socket").exists()


def test_a_folder_is_removed_only_where_nothing_else_is_in_it(tmp_path: Path) -> None:
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    for folder in (alone, shared):
        folder.mkdir()
    (shared / "figures.db").touch()
    for folder in (alone, shared):
        remove_folder(f"unix:{folder}/socket")
    remove_folder("127.0.0.1:8500")
    assert list(tmp_path.iterdir()) == [shared]


def test_a_stale_unix_socket_is_replaced(server: grpc.Server, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(f"{tmp_path}/socket")
    assert listen(server, f"unix:{tmp_path}/socket") == f"unix:{tmp_path}/socket"


def test_a_unix_socket_that_another_server_answers_stays(server: grpc.Server, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"{tmp_path}/socket")
        other.listen()
        with pytest.raises(ConfigurationError, match="another server listens there"):
            listen(server, f"unix:{tmp_path}/socket")
    assert (tmp_path / "socket").is_socket()


def test_a_socket_that_cannot_be_asked_is_refused_with_the_reason(server: grpc.Server, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(f"{tmp_path}/socket")
        with pytest.raises(ConfigurationError, match="Protocol wrong type for socket"):
            listen(server, f"unix:{tmp_path}/socket")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nope/socket", "folder /nope is missing"),
        (__file__, "is a file, not a socket"),
        ("/" + "x" * 200, "longer than 107 bytes"),
    ],
)
def test_a_path_that_cannot_be_a_socket_is_refused(server: grpc.Server, path: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        listen(server, f"unix:{path}")
