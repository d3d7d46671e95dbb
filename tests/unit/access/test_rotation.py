"""Real handshakes: a new certificate is shown to new connections, and a bad one to nobody."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import grpc
import pytest

from headwise.access.certificates import Certificate, read_certificate
from headwise.access.last_good import LastGood
from headwise.api.grpc.tls import credentials
from headwise.api.rest.tls import context
from headwise.errors import ConfigurationError
from support.certificates import Authority, Files

pytestmark = pytest.mark.anyio

Shakes = Callable[[Authority], Awaitable[bool]]
"""Whether a client that trusts one CA alone can connect."""


class Failures(list[str]):
    """What was counted."""


def following(files: Files, failures: Failures, client_ca: Path | None = None) -> LastGood[Certificate]:
    watched = [files.certificate, files.key, *([] if client_ca is None else [client_ca])]
    return LastGood(
        watched,
        lambda: read_certificate(files.certificate, files.key, client_ca),
        what="certificate",
        failed=failures.append,
        interval=0,
    )


@asynccontextmanager
async def over_http(current: Callable[[], Certificate]) -> AsyncIterator[Shakes]:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context(current))
    port = server.sockets[0].getsockname()[1]

    async def shakes(authority: Authority) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=authority.context())
        except ssl.SSLCertVerificationError:
            return False
        assert await reader.read() == b"hello"
        writer.close()
        return True

    yield shakes
    server.close()


@asynccontextmanager
async def over_grpc(current: Callable[[], Certificate]) -> AsyncIterator[Shakes]:
    server = grpc.aio.server()
    port = server.add_secure_port("127.0.0.1:0", credentials(current))
    await server.start()

    async def shakes(authority: Authority) -> bool:
        trust = grpc.ssl_channel_credentials(authority.file.read_bytes())
        # Channels of the same arguments share a connection.
        options = (("grpc.use_local_subchannel_pool", 1),)
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", trust, options) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await channel.unary_unary("/nothing/here")(b"", timeout=5)
        assert ended.value.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAVAILABLE), ended.value
        return ended.value.code() is grpc.StatusCode.UNIMPLEMENTED

    yield shakes
    await server.stop(0)


@pytest.mark.parametrize("surface", [over_http, over_grpc])
async def test_new_connections_see_the_certificate_that_is_there(
    tmp_path: Path, surface: Callable[[Callable[[], Certificate]], AbstractAsyncContextManager[Shakes]]
) -> None:
    old, new, failures = Authority(tmp_path), Authority(tmp_path), Failures()
    files = old.issue()
    async with surface(following(files, failures)) as shakes:
        assert await shakes(old)
        assert not await shakes(new)

        files.certificate.write_bytes(b"no certificate")
        assert await shakes(old)
        assert await shakes(old)
        assert failures == ["certificate"], "a bad file is told once"

        new.issue()
        assert await shakes(new)
        assert not await shakes(old)

        files.key.unlink()
        assert await shakes(new)
        assert failures == ["certificate"] * 2


async def test_a_client_without_a_certificate_of_the_ca_is_not_let_in(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with over_grpc(following(authority.issue(), Failures(), authority.file)) as shakes:
        assert not await shakes(authority)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda files: files.key.write_bytes(b"none"), "cannot be used"),
        (lambda files: files.certificate.unlink(), "No such file"),
        (lambda files: Authority(files.key.parent).issue("other").key.replace(files.key), "mismatch|KEY_VALUES"),
    ],
)
def test_what_cannot_serve_is_refused_at_the_start(
    tmp_path: Path, spoil: Callable[[Files], object], reason: str
) -> None:
    files = Authority(tmp_path).issue()
    spoil(files)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        read_certificate(files.certificate, files.key)
    assert "server.key" in str(caught.value)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  # of trustme's own
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    files = Authority(tmp_path).issue()
    key = load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase")))
    with pytest.raises(ConfigurationError, match="cannot be used"):
        read_certificate(files.certificate, files.key)
