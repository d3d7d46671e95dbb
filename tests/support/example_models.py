"""The nine example models, trained by the command that `make serve` runs."""

from __future__ import annotations

import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TRAIN = Path(__file__).parents[2] / "models" / "recipes" / "train.py"
NAMES: tuple[str, ...] = runpy.run_path(str(TRAIN))["NAMES"]


@dataclass(frozen=True)
class Examples:
    """A repository with all nine, and what training printed."""

    models: Path
    output: str


def train(models: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the training command to its end."""
    return subprocess.run(
        [sys.executable, str(TRAIN), "--models", str(models), *arguments],
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
