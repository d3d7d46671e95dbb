"""The embedded model server runs with little, and where that is not enough, it ends alone: the gateway stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.gateway_process import GatewayProcess
from support.model_repository import BINARY, add_model

CANARY = "canary-4f1c"
OTHER = 65532
"""The id of a user that no system knows."""
GOOD = {"instances": [[1, 2, 3, 4]]}
GIBIBYTE = 1 << 30

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process may")

GREEDY = """
import sys, tensorflow as tf
class Greedy(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def takes(self, x):
        taken = tf.fill([tf.cast(tf.reduce_max(x), tf.int64)], 1.0)
        return {"output_0": x * 0.0 + tf.reduce_sum(tf.sort(taken))}
module = Greedy()
tf.saved_model.save(module, sys.argv[1], {"serving_default": module.takes})
"""
"""A model that takes as much memory as it is asked to."""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    add_model(tmp_path, "logit", {"output_0": BINARY})
    return tmp_path


def model_server(gateway: GatewayProcess) -> int:
    (found,) = [pid for pid in gateway.children() if b"\0model-server\0" in proc(pid, "cmdline")]
    return found


def proc(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def status(pid: int) -> dict[str, str]:
    lines = proc(pid, "status").decode().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_it_has_no_secret_and_no_right_that_it_does_not_need(models: Path) -> None:
    environment = {"HEADWISE_LOG_LEVEL": "debug", "MY_TOKEN": CANARY, "TF_OWN": "kept"}
    with GatewayProcess("--models", str(models), environment=environment) as gateway:
        gateway.wait_ready()
        pid = model_server(gateway)
        assert CANARY.encode() in proc(gateway.process.pid, "environ")
        found = proc(pid, "environ")
        assert CANARY.encode() not in found
        assert b"HEADWISE_" not in found
        assert b"TF_OWN=kept" in found
        limits = proc(pid, "limits").decode()
        assert next(line for line in limits.splitlines() if "core file" in line).split()[4:6] == ["0", "0"]
        assert (status(pid)["NoNewPrivs"], status(pid)["Umask"]) == ("1", "0077")
        assert proc(pid, "oom_score_adj") == b"500\n"
        assert gateway.classify("logit", GOOD).status_code == 200


@pytest.fixture(scope="module")
def reachable_python() -> tuple[str, dict[str, str]]:
    """A Python that another user can run as well, and the environment that it needs."""
    packages = os.pathsep.join(path for path in sys.path if path and not path.startswith(sys.base_prefix))
    for python, environment in (
        (sys.executable, {}),
        (f"/usr/bin/python{sysconfig.get_python_version()}", {"PYTHONPATH": packages}),
    ):
        if shutil.which(python) and _runs_as_other(python, environment):
            return python, environment
    pytest.skip("there is no Python that another user can run")


def _runs_as_other(python: str, environment: dict[str, str]) -> bool:
    try:
        done = subprocess.run(
            [python, "-c", "import headwise, tensorflow"],
            env={**os.environ, **environment},
            user=OTHER,
            group=OTHER,
            extra_groups=[],
            capture_output=True,
            timeout=60,
            check=False,
        )
    except PermissionError:
        return False
    return done.returncode == 0


@pytest.fixture
def shared_models() -> Iterator[Path]:
    """Models that every user can read, as pytest's own folders are not."""
    folder = Path("/tmp") / f"headwise-test-{os.getpid()}"
    folder.mkdir(mode=0o755)
    add_model(folder, "logit", {"output_0": BINARY})
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start it as another user")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_runs_as_another_user(
    shared_models: Path, reachable_python: tuple[str, dict[str, str]], workers: str
) -> None:
    python, environment = reachable_python
    environment = {**environment, "HEADWISE_MODEL_SERVER_USER": f"{OTHER}:{OTHER}"}
    arguments = ("--models", str(shared_models), "--workers", workers)
    with GatewayProcess(*arguments, environment=environment, command=(python, "-m", "headwise")) as gateway:
        gateway.wait_ready()
        found = status(model_server(gateway))
        assert found["Uid"].split() == found["Gid"].split() == [str(OTHER)] * 4
        assert found["Groups"] == ""
        assert gateway.classify("logit", GOOD).status_code == 200
        command = proc(model_server(gateway), "cmdline").decode().split("\0")
        folder = Path(command[command.index("--listen") + 1].removeprefix("unix:")).parent
        assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (OTHER, 0o700)
        assert gateway.stop() == 0
        assert not folder.exists()


def test_what_takes_too_much_memory_fails_alone(models: Path) -> None:
    done = subprocess.run([sys.executable, "-c", GREEDY, str(models / "greedy" / "1")], timeout=100, check=False)
    assert done.returncode == 0
    with GatewayProcess(
        "--models", str(models), environment={"HEADWISE_MODEL_SERVER_MEMORY": str(GIBIBYTE)}
    ) as gateway:
        gateway.wait_ready()

        def takes(megabytes: int) -> httpx.Response:
            numbers = megabytes * 1024 * 1024 / 4
            return gateway.http.post("/v1/models/greedy:predict", json={"instances": [numbers]})

        assert takes(16).status_code == 200
        refused = takes(4096)
        assert refused.status_code == 429, "as TensorFlow Serving answers RESOURCE_EXHAUSTED"
        assert "OOM when allocating tensor" in refused.json()["error"]
        gateway.wait_ready()
        assert gateway.classify("logit", GOOD).status_code == 200
        assert takes(16).status_code == 200


def test_too_little_memory_ends_the_model_server_and_not_the_gateway(models: Path) -> None:
    with GatewayProcess(
        "--models", str(models), environment={"HEADWISE_MODEL_SERVER_MEMORY": str(64 << 20)}
    ) as gateway:
        gateway.wait_for(lambda: gateway.log.count("model server ended, restarting") >= 2)
        assert gateway.http.get("/livez").status_code == 200
        assert gateway.http.get("/readyz").status_code == 503
        refused = gateway.classify("logit", GOOD)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert gateway.stop() == 0
