"""A container engine behind a Docker socket: Docker's own, or podman's for as long as a test runs."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.server_process import eventually

_BASE = "headwise-base"
_PACKAGES = "python-is-python3,python3-pip,ca-certificates"
_MODEST = '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n'
"""Podman's own are a million, which a root that may not raise limits cannot give."""


class Engine:
    """What the tests ask it for, beside what compose asks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        transport = httpx.HTTPTransport(uds=str(path))
        self._client = httpx.Client(transport=transport, base_url="http://engine", timeout=600)

    @property
    def name(self) -> str:
        """Name and version."""
        version = self._get("/version")
        (engine, *_) = version["Components"]
        return f"{engine['Name']} {version['Version']}"

    def close(self) -> None:
        """Let go of its socket."""
        self._client.close()

    def answers(self) -> bool:
        """Whether an engine listens."""
        with socket.socket(socket.AF_UNIX) as attempt:  # httpx does not close one that it cannot connect
            if attempt.connect_ex(str(self.path)) != 0:
                return False
        return self._client.get("/_ping").status_code == 200

    def of_project(self, kind: str, project: str) -> list[dict[str, Any]]:
        """What a compose project has: containers, running or not; networks; volumes."""
        filters = json.dumps({"label": [f"com.docker.compose.project={project}"]})
        found = self._get({"containers": "/containers/json"}.get(kind, f"/{kind}"), all="true", filters=filters)
        listed: list[dict[str, Any]] = (found.get("Volumes") or []) if kind == "volumes" else found
        return listed

    def inspect(self, container: str) -> dict[str, Any]:
        """A container's configuration and state."""
        found: dict[str, Any] = self._get(f"/containers/{container}/json")
        return found

    def size(self, image: str) -> int:
        """Bytes of an image with all that it is built on."""
        return int(self._get(f"/images/{image}/json")["Size"])

    def base_image(self, wanted: str, folder: Path) -> str:
        """The image if the engine has it or gets it from its registry; or else one made of Debian's packages.

        That one is kept, so that the next build finds its layers again.
        """
        for image in (wanted, _BASE):
            if self._client.get(f"/images/{image}/json").status_code == 200:
                return image
        name, _, tag = wanted.partition(":")
        self._client.post("/images/create", params={"fromImage": name, "tag": tag or "latest"})
        if self._client.get(f"/images/{wanted}/json").status_code == 200:
            return wanted
        if shutil.which("mmdebstrap") is None:
            pytest.skip(
                f"the engine has no image {wanted} and reaches no registry: name one with BASE_IMAGE, or install "
                "mmdebstrap, to make one of Debian's packages"
            )
        with _debian(folder).open("rb") as archive:
            self._client.post("/images/create", params={"fromSrc": "-", "repo": _BASE}, content=archive)
        return _BASE

    @contextmanager
    def checking_health(self, project: str) -> Iterator[None]:
        """Podman leaves health checks to systemd's timers; where that does not run, they are made here."""
        if not self.name.startswith("Podman") or Path("/run/systemd/system").exists():
            yield
            return
        stop = threading.Event()

        def check() -> None:
            while not stop.wait(1):
                for container in self.of_project("containers", project):
                    self._client.get(f"/v4.0.0/libpod/containers/{container['Id']}/healthcheck")

        thread = threading.Thread(target=check)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _get(self, path: str, **parameters: str) -> Any:
        return self._client.get(path, params=parameters).raise_for_status().json()


@contextmanager
def found_engine(folder: Path) -> Iterator[Engine]:
    """The engine of DOCKER_HOST or at Docker's socket, else podman; the test is skipped where there is none."""
    named = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    with closing(Engine(Path(named.removeprefix("unix://")))) as engine:
        if engine.answers():
            yield engine
            return
    podman = shutil.which("podman")
    if podman is None:
        pytest.skip(f"no container engine: none answers at {named}, and podman is not installed (`make podman`)")
    with _podman(podman, folder) as engine:
        yield engine


@contextmanager
def _podman(program: str, folder: Path) -> Iterator[Engine]:
    configuration = folder / "containers.conf"
    configuration.write_text(_MODEST)
    path = folder / "podman.sock"
    environment = {**os.environ, "CONTAINERS_CONF": str(configuration), "BUILDAH_ISOLATION": "chroot"}
    with (
        (folder / "podman.log").open("wb") as log,
        subprocess.Popen(
            [program, "system", "service", "--time=0", f"unix://{path}"], env=environment, stdout=log, stderr=log
        ) as process,
    ):
        try:
            with closing(Engine(path)) as engine:
                eventually(engine.answers)
                yield engine
        finally:
            process.terminate()


def _debian(folder: Path) -> Path:
    """A root with Python and pip, and with the certificates that pip trusts here, where PIP_CERT names them."""
    archive = folder / "base.tar"
    certificates = os.environ.get("PIP_CERT")
    put = [f"--customize-hook=upload {certificates} {certificates}"] if certificates else []
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", *put, "bookworm", str(archive)]
    subprocess.run(command, check=True, timeout=600)
    return archive
