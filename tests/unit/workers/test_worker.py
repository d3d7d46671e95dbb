"""A worker that cannot start says why, in a line."""

import os
import socket
import subprocess
from pathlib import Path

from headwise.settings import Settings
from headwise.workers.duty import Duty


def ended(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    told = Settings(models=folder, backend="127.0.0.1:9", log_format="json", **settings)  # type: ignore[arg-type]
    duty = Duty(settings=told, number=3, parent=os.getpid(), folder=folder, starting=False)
    return subprocess.run(duty.command, capture_output=True, text=True, timeout=60, check=False)


def test_a_port_that_is_taken_after_all_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for surface, other in (("http", "grpc"), ("grpc", "http")):
            done = ended(tmp_path, **{surface: address, other: "127.0.0.1:0"})
            assert done.returncode == 2
            line = next(line for line in done.stderr.splitlines() if "worker cannot start" in line)
            assert address in line
            assert '"worker":3' in line
            assert "Traceback" not in done.stderr
