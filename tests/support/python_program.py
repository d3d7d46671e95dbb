"""Python programs of a few lines, in a process of their own."""

from __future__ import annotations

import subprocess
import sys


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What it prints; it has no other environment."""
    path = {"PYTHONPATH": ":".join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False, env=path | environment
    )
