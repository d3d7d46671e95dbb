"""A gateway that asks who calls: keys over HTTPS, certificates over gRPC, both changed while it serves."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import httpx
import numpy as np
import pytest

from headwise import AsyncHeadwiseClient, HeadwiseClient
from headwise.client.security import Tls
from headwise.errors import BackendUnavailableError, PermissionDeniedError, RateLimitedError, UnauthenticatedError
from headwise.repository.replacement import replace_file
from support.certificates import Authority
from support.gateway_process import GatewayProcess, run_to_its_end
from support.model_repository import BINARY, add_model
from support.server_process import server_process

ROWS = np.array([[1, 2, 3, 4]], np.float32)
ADMIN_SCOPES = ("model:*:admin", "model:*:metadata")


@dataclass(frozen=True)
class Place:
    """The files of a gateway, and how it is started."""

    folder: Path
    authority: Authority
    arguments: tuple[str, ...]

    @property
    def keys(self) -> Path:
        return self.folder / "keys.json"

    def key(self, *scopes: str, **options: str) -> str:
        """`headwise keys create`: what it prints."""
        named = [part for scope in scopes for part in ("--scope", scope)]
        more = [part for name, value in options.items() for part in (f"--{name}", value)]
        return self._keys("create", "--name", "test", *named, *more).strip()

    def revoke(self, key: str) -> None:
        self._keys("revoke", key.split("_")[1])

    def _keys(self, verb: str, *arguments: str) -> str:
        command = [sys.executable, "-m", "headwise", "keys", verb, *arguments, "--file", str(self.keys)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

    def start(self, *more: str, **environment: str) -> GatewayProcess:
        """The gateway, with TLS on both surfaces; gRPC takes none but the CA's clients."""
        server = self.authority.issue("server")
        settings = {
            "tls_certificate": str(server.certificate),
            "tls_key": str(server.key),
            "grpc_client_ca": str(self.authority.file),
            "log_format": "json",
            "log_level": "debug",
            **environment,
        }
        named = {f"HEADWISE_{name.upper()}": value for name, value in settings.items()}
        return GatewayProcess(*self.arguments, "--keys-file", str(self.keys), *more, environment=named)

    def https(self, gateway: GatewayProcess) -> str:
        return gateway.url.replace("http", "https", 1)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """Arguments that name the models and a model server that has loaded them."""
    models = tmp_path_factory.mktemp("models")
    for name in ("logit", "other"):
        add_model(models, "logit", {"output_0": BINARY}, name=name)
    with server_process("--models", str(models)) as server:
        yield "--models", str(models), "--backend", server.addresses[0]


@pytest.fixture
def place(backend: tuple[str, ...], tmp_path: Path) -> Place:
    return Place(tmp_path, Authority(tmp_path), backend)


def ready(gateway: GatewayProcess) -> None:
    gateway.wait_for(lambda: "headwise ready;" in gateway.log, 60)


def test_the_client_works_with_a_key_over_https_and_with_a_certificate_over_grpc(place: Place) -> None:
    key = place.key("model:logit:predict")
    place.key("model:logit:*", certificate="robot")
    robot, stranger = place.authority.issue("robot", common_name="robot"), Authority(place.folder).issue("stranger")
    trust = Tls(ca=place.authority.file)
    with place.start() as gateway:
        ready(gateway)
        with HeadwiseClient(place.https(gateway), api_key=key, tls=trust) as client:
            over_https = client.classify("logit", ROWS)
            for forbidden in (lambda: client.classify("other", ROWS), lambda: client.head("logit")):
                with pytest.raises(PermissionDeniedError):
                    forbidden()
        with HeadwiseClient(place.https(gateway), tls=trust) as client, pytest.raises(UnauthenticatedError):
            client.classify("logit", ROWS)

        shown = Tls(ca=place.authority.file, certificate=robot.certificate, key=robot.key)
        with HeadwiseClient(f"grpcs://{gateway.grpc}", tls=shown) as client:
            assert client.classify("logit", ROWS).labels.tolist() == over_https.labels.tolist()
            assert client.head("logit")["card_version"] == 1
            with pytest.raises(PermissionDeniedError):
                client.classify("other", ROWS)
        strange = Tls(ca=place.authority.file, certificate=stranger.certificate, key=stranger.key)
        for tls in (trust, strange):
            with (
                HeadwiseClient(f"grpcs://{gateway.grpc}", api_key=key, tls=tls, timeout=3) as client,
                pytest.raises(BackendUnavailableError),
            ):
                client.classify("logit", ROWS)

        async def in_a_loop() -> None:
            async with AsyncHeadwiseClient(f"grpcs://{gateway.grpc}", tls=shown) as client:
                assert (await client.classify("logit", ROWS)).labels.tolist() == over_https.labels.tolist()

        asyncio.run(in_a_loop())


def test_the_client_waits_out_its_rate_and_gives_up_where_that_is_too_long(place: Place) -> None:
    brief, long = place.key("model:*:*", rate="2/second"), place.key("model:*:*", rate="1/hour")
    robot = place.authority.issue("robot", common_name="robot")
    tls = Tls(ca=place.authority.file, certificate=robot.certificate, key=robot.key)
    with place.start() as gateway:
        ready(gateway)
        for url in (place.https(gateway), f"grpcs://{gateway.grpc}"):
            with HeadwiseClient(url, api_key=brief, tls=tls) as client:
                started = time.monotonic()
                for _ in range(4):
                    client.classify("logit", ROWS)
                assert time.monotonic() - started > 0.9
        with HeadwiseClient(place.https(gateway), api_key=long, tls=tls) as client:
            client.classify("logit", ROWS)
            with pytest.raises(RateLimitedError, match="may ask 1/hour"):
                client.classify("logit", ROWS)


@pytest.mark.fault(27)
def test_a_key_is_made_and_revoked_while_it_serves_and_no_other_caller_notices(place: Place) -> None:
    keeper, revoked = place.key("model:logit:predict"), place.key("model:logit:predict")
    path, body = "/v1/models/logit:classify", {"instances": ROWS.tolist()}
    failed: list[str] = []
    stop = Event()
    with place.start() as gateway:
        ready(gateway)
        with httpx.Client(base_url=place.https(gateway), verify=place.authority.context()) as http:

            def status(key: str) -> int:
                return http.post(path, json=body, headers={"x-api-key": key}).status_code

            def keep_asking() -> None:
                while not stop.is_set():
                    if (found := status(keeper)) != 200:
                        failed.append(str(found))

            asking = Thread(target=keep_asking)
            asking.start()
            try:
                assert status(revoked) == 200
                place.revoke(revoked)
                gateway.wait_for(lambda: status(revoked) == 401, 5)
                made = place.key("model:logit:predict")
                gateway.wait_for(lambda: status(made) == 200, 5)

                good = place.keys.read_bytes()
                replace_file(place.keys, b"bad")
                gateway.wait_for(lambda: "keys not reloaded" in gateway.log, 5)
                assert (status(made), status(revoked)) == (200, 401)
                replace_file(place.keys, good)
            finally:
                stop.set()
                asking.join()
        assert failed == []
        log = gateway.log
    assert gateway.log.count("keys not reloaded") == 1
    for key in (keeper, revoked, made):
        assert key[12:] not in log, "no secret in the log"
        assert key not in log


@pytest.mark.fault(27)
def test_new_connections_use_a_new_certificate_and_old_ones_go_on(place: Place) -> None:
    key = place.key("model:*:*")
    with place.start() as gateway:
        ready(gateway)
        base = place.https(gateway)
        with httpx.Client(base_url=base, verify=place.authority.context(), headers={"x-api-key": key}) as old:
            first = served(gateway, place.authority)
            place.authority.issue("server")
            gateway.wait_for(lambda: served(gateway, place.authority) != first, 5)
            assert old.get("/v1/models").status_code == 200


def served(gateway: GatewayProcess, authority: Authority) -> bytes | None:
    """The certificate that a new connection is shown."""
    host, port = gateway.url.removeprefix("http://").split(":")
    with (
        socket.create_connection((host, int(port)), timeout=5) as plain,
        authority.context().wrap_socket(plain, server_hostname=host) as secured,
    ):
        assert secured.version() in ("TLSv1.2", "TLSv1.3")
        return secured.getpeercert(binary_form=True)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_admin_port_has_metrics_and_health_and_the_main_port_no_metrics(place: Place, workers: str) -> None:
    operator = place.key(*ADMIN_SCOPES)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with place.start("--workers", workers, admin=f"127.0.0.1:{port}") as gateway:
        ready(gateway)
        shown = {"authorization": f"Bearer {operator}"}
        with httpx.Client(verify=place.authority.context(), headers=shown) as http:
            admin, main = f"https://127.0.0.1:{port}", place.https(gateway)
            assert http.get(f"{admin}/readyz").json()["models"].keys() == {"logit", "other"}
            assert "headwise_requests_total" in http.get(f"{admin}/metrics").text
            assert http.get(f"{admin}/metrics", headers={"authorization": ""}).status_code == 401
            assert http.get(f"{admin}/v1/models").status_code == 404
            assert http.get(f"{main}/metrics").status_code == 404
            assert http.get(f"{main}/readyz").status_code == 200
        assert gateway.stop() == 0


def test_a_public_address_needs_keys_or_a_word_and_the_word_is_warned_of(backend: tuple[str, ...]) -> None:
    public = (*backend, "--http", "0.0.0.0:0", "--grpc", "0.0.0.0:0")
    refused = run_to_its_end(*public)
    assert refused.returncode == 2
    assert "--keys-file" in refused.stderr
    assert "--allow-anonymous" in refused.stderr
    assert "Traceback" not in refused.stderr
    for workers in ("1", "2"):
        with GatewayProcess(*public, "--allow-anonymous", "--workers", workers) as gateway:
            warned = [line for line in gateway.log.splitlines() if "WARNING" in line]
            assert warned == [
                "headwise WARNING: whoever reaches http 0.0.0.0:0 or grpc 0.0.0.0:0 may call (allow_anonymous)"
            ]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_keys_and_certificates_that_cannot_be_read_end_the_start(
    backend: tuple[str, ...], tmp_path: Path, workers: str
) -> None:
    ended = run_to_its_end(*backend, "--workers", workers, "--keys-file", str(tmp_path / "none.json"))
    assert ended.returncode == 2
    assert "none.json: the keys cannot be read" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_plain_http_does_not_reach_a_tls_port(place: Place) -> None:
    place.key("model:*:*")
    with place.start() as gateway:
        ready(gateway)
        with pytest.raises((httpx.TransportError, ssl.SSLError)):
            gateway.http.get("/livez")
