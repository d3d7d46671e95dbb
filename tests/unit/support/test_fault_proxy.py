"""The fault proxy: what each bad network looks like from the caller's side, and what it counts."""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.fault_proxy import FaultProxy

GREETING = b"0123456789"


class Echo(socketserver.BaseRequestHandler):
    """Greets, then says again what it hears."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.request.sendall(GREETING)
            while data := self.request.recv(65536):
                self.request.sendall(data)


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextlib.contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    server = TcpServer(("127.0.0.1", 0), Echo)
    with serving(server), FaultProxy(f"127.0.0.1:{server.server_address[1]}") as started:
        yield started


@contextlib.contextmanager
def caller(proxy: FaultProxy, *, greeted: bool = True) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
        if greeted:
            assert heard(connection, len(GREETING)) == GREETING
        yield connection


def heard(connection: socket.socket, size: int) -> bytes:
    """So many bytes, or what comes before the end."""
    found = b""
    while len(found) < size and (data := connection.recv(size - len(found))):
        found += data
    return found


def heard_nothing(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        return not connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(5)


def eventually(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_by_itself_it_passes_everything_and_counts_it(proxy: FaultProxy) -> None:
    with caller(proxy) as one, caller(proxy):
        one.sendall(b"x" * 300_000)
        assert heard(one, 300_000) == b"x" * 300_000
        counts = proxy.counts
        assert (counts.open, counts.accepted, counts.sent, counts.answered) == (2, 2, 300_000, 300_020)
    eventually(lambda: proxy.counts.open == 0)
    assert proxy.counts.accepted == 2


def test_an_end_is_passed_on_each_way(proxy: FaultProxy) -> None:
    with caller(proxy) as one:
        one.sendall(b"last words")
        one.shutdown(socket.SHUT_WR)
        assert heard(one, 100) == b"last words"


def test_a_backend_on_a_unix_socket_is_reached(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with serving(UnixServer(path, Echo)), FaultProxy(f"unix:{path}") as proxy, caller(proxy) as one:
        one.sendall(b"hello")
        assert heard(one, 5) == b"hello"
        proxy.reset_all()
        with pytest.raises(ConnectionResetError):
            one.recv(1)


def test_delayed_bytes_come_later_and_each_way(proxy: FaultProxy) -> None:
    with caller(proxy) as one:
        proxy.delay(0.1)
        started = time.monotonic()
        one.sendall(b"hello")
        assert heard(one, 5) == b"hello"
        assert 0.19 <= time.monotonic() - started < 1


def test_a_long_delay_ends_when_it_is_healed(proxy: FaultProxy) -> None:
    with caller(proxy) as one:
        proxy.delay(60)
        one.sendall(b"hello")
        assert heard_nothing(one, 0.05)
        proxy.heal()
        assert heard(one, 5) == b"hello"


def test_a_hung_one_accepts_and_forwards_nothing_until_it_is_healed(proxy: FaultProxy) -> None:
    with caller(proxy) as old:
        proxy.hold()
        with caller(proxy, greeted=False) as new:
            for one in (old, new):
                one.sendall(b"hello")
            assert heard_nothing(old, 0.05)
            assert heard_nothing(new, 0.05)
            assert (proxy.counts.open, proxy.counts.sent) == (2, 0)
            proxy.heal()
            assert heard(old, 5) == b"hello"
            assert heard(new, len(GREETING) + 5) == GREETING + b"hello"


def test_a_caller_who_leaves_a_hung_one_is_not_counted_any_more(proxy: FaultProxy) -> None:
    proxy.hold()
    with caller(proxy, greeted=False):
        eventually(lambda: proxy.counts.open == 1)
    eventually(lambda: proxy.counts.open == 0)


def test_a_refused_port_is_the_same_when_it_is_healed(proxy: FaultProxy) -> None:
    with caller(proxy) as old:
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", proxy.port), 5)
        old.sendall(b"still here")
        assert heard(old, 10) == b"still here"
        proxy.heal()
        with caller(proxy):
            assert proxy.counts.accepted == 2


def test_all_connections_are_reset_at_once_and_new_ones_pass(proxy: FaultProxy) -> None:
    with caller(proxy) as one, caller(proxy) as other:
        proxy.reset_all()
        for reset in (one, other):
            with pytest.raises(ConnectionResetError):
                reset.recv(1)
        assert proxy.counts.open == 0
    with caller(proxy):
        pass


@pytest.mark.parametrize("chunk", [1, 100])
def test_an_answer_is_truncated_after_so_many_bytes_and_ends_cleanly(proxy: FaultProxy, chunk: int) -> None:
    with caller(proxy) as one:
        proxy.truncate_after(20)
        for _ in range(100 // chunk):
            one.sendall(b"x" * chunk)
        assert heard(one, 100) == b"x" * 20
        one.sendall(b"x")
    eventually(lambda: proxy.counts.open == 0)
    with caller(proxy) as new:  # its greeting counts, too
        new.sendall(b"y" * 100)
        assert heard(new, 100) == b"y" * 10


def test_an_answer_is_reset_after_so_many_bytes(proxy: FaultProxy) -> None:
    with caller(proxy) as one:
        proxy.reset_after(3)
        one.sendall(b"hello")
        with pytest.raises(ConnectionResetError):
            heard(one, 5)
    assert proxy.counts.answered == len(GREETING) + 3


def test_garbled_answers_have_their_length_and_nothing_else_of_them(proxy: FaultProxy) -> None:
    with caller(proxy) as one:
        proxy.garble()
        one.sendall(b"x" * 1000)
        noise = heard(one, 1000)
        assert (len(noise), noise.count(b"x") < 50) == (1000, True)


def test_throttled_bytes_trickle(proxy: FaultProxy) -> None:
    with caller(proxy) as one:
        proxy.throttle(10_000)
        started = time.monotonic()
        one.sendall(b"x" * 2000)
        assert heard(one, 2000) == b"x" * 2000
        assert 0.15 <= time.monotonic() - started < 2


def test_a_target_that_is_gone_looks_like_a_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        target = f"127.0.0.1:{nobody.getsockname()[1]}"
    # The reset may come before the connection is seen as made.
    with FaultProxy(target) as proxy, pytest.raises(ConnectionResetError), caller(proxy, greeted=False) as one:
        one.recv(1)
