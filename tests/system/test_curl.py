"""What `headwise serve` prints for pasting works when it is pasted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
