"""What `headwise serve` prints for pasting works when it is pasted."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.gateway_process import GatewayProcess
from support.model_repository import BINARY, add_model

pytestmark = pytest.mark.system


def test_the_printed_curl_answers(tmp_path: Path) -> None:
    models = tmp_path / "models"
    add_model(models, "logit", {"output_0": BINARY})
    (models / "logit" / "sample.json").write_text('{"instances": [[1, 2, 3, 4]]}')
    command = [sys.executable, "-m", "headwise", "serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            printed = server.stdout.readline()
            assert printed.startswith("curl -s 127.0.0.1:")
            done = subprocess.run(printed, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
        finally:
            server.kill()
    assert json.loads(done.stdout)["predictions"][0]["label"] == "no"


PAGE = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text("utf-8")


def test_every_curl_of_the_protocols_page_answers(tmp_path: Path) -> None:
    """With a small model in the place of the example."""
    commands = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert len(commands) == 3
    folder = add_model(tmp_path / "models", "logit", {"output_0": BINARY}, name="tumor")
    (folder.parent / "sample.json").write_text('{"instances": [[1, 2, 3, 4]]}')
    np.savez(folder.parent / "holdout.npz", features=np.ones((2, 4), np.float32))
    with GatewayProcess("--models", str(tmp_path / "models")) as gateway:
        gateway.wait_ready()
        address = gateway.url.removeprefix("http://")
        for command in commands:
            told = command.replace("127.0.0.1:8080", address)
            done = subprocess.run(told, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
            assert '"label":"no"' in done.stdout, done.stdout
