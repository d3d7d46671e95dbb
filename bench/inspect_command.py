"""How long `headwise inspect` takes, with the start of its process.

make bench-inspect
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path


def seconds(*arguments: str) -> float:
    """By the clock on the wall, of one process; exit code 1 is an answer too."""
    started = time.perf_counter()
    ended = subprocess.run(  # noqa: S603  # the user's own path
        [sys.executable, "-m", "headwise", "inspect", *arguments], capture_output=True, check=False
    )
    taken = time.perf_counter() - started
    if ended.returncode not in (0, 1):
        sys.exit(ended.stderr.decode())
    return taken


def main() -> None:
    """Print medians, in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("path", type=Path, nargs="?", default=Path("models/digits"))
    arguments = parser.parse_args()
    path = str(arguments.path)
    calls = {"tables": (path,), "--json": (path, "--json")}
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(arguments.rounds):
        for name, call in calls.items():
            taken[name].append(seconds(*call))
    print(f"headwise inspect {path}, {arguments.rounds} rounds; milliseconds")
    print("output   median  fastest")
    for name, times in taken.items():
        print(f"{name:8} {statistics.median(times) * 1e3:6.0f} {min(times) * 1e3:8.0f}")


if __name__ == "__main__":
    main()
