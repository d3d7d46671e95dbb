"""One gateway on the recorded models, shared by the tests that only ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from filelock import FileLock

from support.example_models import Examples, train
from support.gateway_process import GatewayProcess
from support.model_repository import recorded_repository


@pytest.fixture(scope="session")
def recorded_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with the embedded model server; its limit on bodies is 64 KiB."""
    models = recorded_repository(tmp_path_factory.mktemp("models"))
    with GatewayProcess("--models", str(models), environment={"HEADWISE_MAX_BODY_BYTES": "65536"}) as gateway:
        yield gateway.wait_ready()


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Examples:
    """The nine example models, trained once for all workers."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    models, told = shared / "examples", shared / "examples.txt"
    with FileLock(shared / "examples.lock"):
        if not told.exists():
            models.mkdir()
            done = train(models)
            assert done.returncode == 0, done.stdout + done.stderr
            assert done.stderr == ""
            told.write_text(done.stdout)
    return Examples(models, told.read_text())
