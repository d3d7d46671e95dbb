"""Ports: in use is told by name; a held port is shared by those of its user, and takes no connection itself."""

import socket
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from headwise.errors import ConfigurationError
from headwise.ports import HeldPort, listen, shown

HOST = "127.0.0.1"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server((HOST, 0)) as other:
        yield other.getsockname()[1]


def test_an_ipv6_host_is_shown_in_brackets() -> None:
    assert (shown("gateway", 80), shown("::1", 80)) == ("gateway:80", "[::1]:80")


def test_a_port_in_use_is_told_by_name(taken: int) -> None:
    with pytest.raises(ConfigurationError, match=f"HTTP cannot listen on {HOST}:{taken}: .*in use.*--http"):
        listen(HOST, taken)


@pytest.mark.parametrize(("surface", "name"), [("http", "HTTP"), ("grpc", "gRPC")])
def test_a_port_in_use_cannot_be_held(surface: str, name: str, taken: int) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} cannot listen on {HOST}:{taken}: .*in use.*--{surface}"):
        HeldPort(surface, HOST, taken)


def test_a_port_that_others_share_cannot_be_held() -> None:
    with closing(listen(HOST, 0, shared=True)) as other, pytest.raises(ConfigurationError, match="in use"):
        HeldPort("http", HOST, other.getsockname()[1])


@pytest.mark.parametrize("surface", ["http", "grpc"])
def test_a_held_port_is_nobody_elses(surface: str) -> None:
    with HeldPort(surface, HOST, 0) as held:
        with pytest.raises(ConfigurationError, match="in use"):
            HeldPort(surface, HOST, held.port)
        with pytest.raises(ConfigurationError, match="in use"):
            listen(HOST, held.port)


def test_connections_to_a_held_port_are_spread_over_those_that_listen() -> None:
    with HeldPort("http", HOST, 0) as held:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, held.port))
        listeners = [listen(HOST, held.port, shared=True) for _ in range(3)]
        connections = [socket.create_connection((HOST, held.port)) for _ in range(90)]
        shares = [accepted(listener) for listener in listeners]
        for connection in (*connections, *listeners):
            connection.close()
    assert sum(shares) == 90
    assert min(shares) > 10


def accepted(listener: socket.socket) -> int:
    """How many connections wait."""
    listener.setblocking(False)
    found = 0
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            found += 1
    return found


def test_a_port_is_free_when_nobody_holds_it_any_more() -> None:
    with HeldPort("grpc", HOST, 0) as held:
        assert str(held) == f"{HOST}:{held.port}"
    listen(HOST, held.port).close()


def test_every_address_of_a_name_is_held_for_grpc() -> None:
    with HeldPort("grpc", "localhost", 0) as held, pytest.raises(ConfigurationError, match="in use"):
        listen(HOST, held.port)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_ipv6_can_be_held() -> None:
    with HeldPort("http", "::1", 0) as held, closing(listen("::1", held.port, shared=True)) as listener:
        assert listener.getsockname()[1] == held.port


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_a_host_that_is_not_this_machine_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match=f"gRPC cannot listen on {host}:80: "):
        HeldPort("grpc", host, 80)
